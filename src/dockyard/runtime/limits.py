"""Limits by cgroups where we may make some (v1 or v2); elsewhere the parent watches memory instead."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from dockyard.runtime.spec import Limits

logger = logging.getLogger(__name__)

_PERIOD = 100_000  # microseconds; the kernel's default for cpu.cfs_period_us


class Cgroups:
    """One folder for this runtime in each writable hierarchy, and below it one for each container."""

    def __init__(self, name: str, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        self._name = f"dockyard-{name}"
        self._folders: dict[str, Path] = {}
        self._unified = False
        for kind, controllers, folder in _hierarchies(mounts):
            if kind == "cgroup2":
                self._try_unified(folder)
            else:
                for controller in {"memory", "cpu", "pids"} & controllers:
                    self._try(controller, folder)

    @property
    def controllers(self) -> frozenset[str]:
        """Which of memory, cpu and pids are really enforced."""
        return frozenset(self._folders)

    def create(self, container: str, limits: Limits) -> list[str]:
        """Makes the container's groups and returns the folders that its processes must join."""
        wanted = {"memory": limits.memory, "cpu": limits.cpus, "pids": limits.pids}
        made: list[str] = []
        for controller, value in wanted.items():
            if value is None or controller not in self._folders:
                continue
            folder = self._folders[controller] / container
            folder.mkdir(exist_ok=True)
            for file, text in self._settings(controller, value):
                try:
                    (folder / file).write_text(text)
                except OSError as error:
                    if file != "memory.swap.max":  # missing where the kernel counts no swap
                        raise
                    logger.debug("%s: %s", folder / file, error)
            if str(folder) not in made:
                made.append(str(folder))
        return made

    def killed_by_memory(self, container: str) -> bool:
        """Whether the kernel killed one of the container's processes for its memory limit."""
        folder = self._folders.get("memory")
        if folder is None:
            return False
        file = folder / container / ("memory.events" if self._unified else "memory.oom_control")
        try:
            counts = dict(line.split() for line in file.read_text().splitlines())
        except FileNotFoundError:
            return False
        return int(counts.get("oom_kill", 0)) > 0

    def remove(self, container: str) -> None:
        """Removes the container's groups; they must be empty."""
        for folder in set(self._folders.values()):
            try:
                (folder / container).rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.debug("%s: %s", folder / container, error)  # a last zombie; close() tries again

    def close(self) -> None:
        """Removes everything, the groups that a killed daemon left too."""
        for folder in set(self._folders.values()):
            for path in [*folder.iterdir(), folder]:
                if path.is_dir():
                    try:
                        path.rmdir()
                    except OSError as error:
                        logger.warning("%s: %s", path, error)

    def _settings(self, controller: str, value: float) -> list[tuple[str, str]]:
        if controller == "memory":
            if self._unified:
                return [("memory.max", str(int(value))), ("memory.swap.max", "0")]
            return [("memory.limit_in_bytes", str(int(value)))]
        if controller == "cpu":
            quota = str(max(1000, int(value * _PERIOD)))
            return [("cpu.max", f"{quota} {_PERIOD}")] if self._unified else [("cpu.cfs_quota_us", quota)]
        return [("pids.max", str(int(value)))]

    def _try(self, controller: str, folder: Path) -> None:
        own = folder / self._name
        try:
            own.mkdir(exist_ok=True)
            (own / "probe").mkdir(exist_ok=True)
            (own / "probe").rmdir()
        except OSError as error:
            logger.debug("cgroup %s: %s", controller, error)
            return
        self._folders[controller] = own

    def _try_unified(self, folder: Path) -> None:
        own = folder / self._name
        try:
            available = set((folder / "cgroup.controllers").read_text().split()) & {"memory", "cpu", "pids"}
            if not available:
                return
            own.mkdir(exist_ok=True)
            for controller in available:
                for place in (folder, own):
                    (place / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            logger.debug("cgroup2: %s", error)
            if own.is_dir():
                own.rmdir()
            return
        self._unified = True
        self._folders.update(dict.fromkeys(available, own))


def _hierarchies(mounts: Path) -> Iterator[tuple[str, set[str], Path]]:
    """Kind, controllers and the place of our own group of every cgroup mount (proc(5), cgroups(7))."""
    places: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, place = line.split(":", 2)
        for name in names.split(","):
            places[name] = place
    for line in mounts.read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, target = left.split(" ")[3:5]
        if kind not in ("cgroup", "cgroup2") or not os.access(target, os.W_OK):
            continue
        controllers = set(options.split(",")) if kind == "cgroup" else set()
        place = next((places[name] for name in controllers or {""} if name in places), "/")
        inner = os.path.relpath(place, root) if place.startswith(root) else "."
        yield kind, controllers, Path(target) / inner
