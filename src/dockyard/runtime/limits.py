"""Limits and accounts by control groups, where we may make some: a group for each container."""

from __future__ import annotations

import logging
from pathlib import Path

from dockyard.runtime.hierarchies import PREFIX, Hierarchy, sweep, writable
from dockyard.runtime.spec import Limits
from dockyard.runtime.usage import Usage, oom_kills, read_v1, read_v2

logger = logging.getLogger(__name__)

# Files that a kernel may lack (no swap accounting): the limit beside them still holds.
_OPTIONAL = frozenset(("memory.swap.max", "memory.memsw.limit_in_bytes"))


class Cgroups:
    """One folder for this runtime in each writable hierarchy, and below it one for each container."""

    def __init__(self, name: str, hierarchies: list[Hierarchy] | None = None) -> None:
        self._name = PREFIX + name
        found = writable() if hierarchies is None else hierarchies
        sweep(found)
        self._left: set[Path] = set()
        self._folders: dict[str, Path] = {}
        self._version = 0
        for hierarchy in found:
            for controller in hierarchy.controllers - set(self._folders):
                self._folders[controller] = hierarchy.folder / self._name
            self._version = max(self._version, hierarchy.version if hierarchy.controllers else 0)

    @property
    def controllers(self) -> frozenset[str]:
        """Which of memory, cpu, cpuacct and pids are the kernel's care."""
        return frozenset(self._folders)

    @property
    def version(self) -> int:
        """1 or 2, or 0 where no group can be made."""
        return self._version

    def create(self, container: str, limits: Limits) -> list[str]:
        """Makes the container's groups and returns the folders that its processes must join.

        Containers without limits have them too: they account for what its processes have used. Those of
        version 1 are made by its first process then, because that many take their time.
        Raises OSError when the kernel refuses a limit.
        """
        self._remove_left()
        made: list[str] = []
        limited = any(_settings(self._version, controller, limits) for controller in self._folders)
        for controller in sorted(self._folders):
            folder = self._folders[controller] / container
            if self._version == 1 and not limited and folder not in self._left:
                made.append(str(folder))
            elif str(folder) not in made:
                _make(folder, self._controllers_of(folder.parent))
                made.append(str(folder))
        self.update(container, limits)
        return made

    def update(self, container: str, limits: Limits) -> None:
        """Changes the limits of a container that has its groups; None keeps what there is."""
        for controller, parent in self._folders.items():
            for file, text in _settings(self._version, controller, limits):
                try:
                    (parent / container / file).write_text(text)
                except OSError as error:
                    if file not in _OPTIONAL:
                        raise
                    logger.debug("%s: %s", parent / container / file, error)

    def view(self, container: str) -> list[tuple[Path, str]]:
        """What the container sees of its groups: folders here, and the places below /sys/fs/cgroup there."""
        if self._version != 1:
            folders = {parent / container for parent in self._folders.values()}
            return [(folder, "") for folder in folders]
        return [(parent / container, controller) for controller, parent in sorted(self._folders.items())]

    def usage(self, container: str) -> Usage | None:
        """What the container's processes use and have used; None without groups."""
        if not self._folders:
            return None
        folders = {controller: parent / container for controller, parent in self._folders.items()}
        try:
            return read_v2(folders) if self._version == 2 else read_v1(folders)
        except FileNotFoundError:
            return None

    def killed_by_memory(self, container: str) -> bool:
        """Whether the kernel killed one of the container's processes for its memory limit."""
        folder = self._folders.get("memory")
        return folder is not None and oom_kills(folder / container, self._version) > 0

    def remove(self, container: str) -> None:
        """Removes the container's groups; those that a dying process is still in, a little later."""
        self._left.update(folder / container for folder in self._folders.values())
        self._remove_left()

    def _remove_left(self) -> None:
        for folder in list(self._left):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass  # never made
            except OSError as error:
                logger.debug("%s: %s", folder, error)
                continue
            self._left.discard(folder)

    def close(self) -> None:
        """Removes everything, the groups that a killed daemon left too."""
        for folder in set(self._folders.values()):
            try:
                inner = [path for path in folder.iterdir() if path.is_dir()]
            except FileNotFoundError:
                continue  # never made, or swept by another runtime's start
            for path in [*inner, folder]:
                try:
                    path.rmdir()
                except FileNotFoundError:
                    continue  # swept by another runtime's start
                except OSError as error:
                    logger.warning("%s: %s", path, error)

    def _controllers_of(self, parent: Path) -> list[str]:
        if self._version != 2:
            return []
        return [controller for controller, folder in self._folders.items() if folder == parent]


def _make(folder: Path, unified: list[str]) -> None:
    """Makes a container's group, and its parent if need be: another runtime sweeps those that are empty."""
    while True:
        try:
            for controller in unified:
                (folder.parent / "cgroup.subtree_control").write_text(f"+{controller}")
            folder.mkdir()
        except FileNotFoundError:
            folder.parent.mkdir(exist_ok=True)
            continue
        except FileExistsError:
            try:
                folder.rmdir()  # what a killed daemon left has counted already, and has limits
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.warning("%s is used again: %s", folder, error)
            else:
                continue
        return


def _settings(version: int, controller: str, limits: Limits) -> list[tuple[str, str]]:
    """File and content of each limit that is set (Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst)."""
    unified = version == 2
    files: list[tuple[str, str]] = []
    if controller == "memory" and limits.memory is not None:
        swap = limits.memory_swap
        if unified:
            beside = "max" if swap in (None, -1) else str(max(0, (swap or 0) - limits.memory))
            files = [("memory.max", str(limits.memory)), ("memory.swap.max", beside)]
        else:
            # The sum must never be below the first: it is raised before it, or lowered after it.
            both = [] if swap is None else [("memory.memsw.limit_in_bytes", str(swap))]
            files = [*both, ("memory.limit_in_bytes", str(limits.memory)), *both]
    if controller == "cpu" and limits.cpus is not None:
        quota = max(1000, int(limits.cpus * limits.period))
        if unified:
            files.append(("cpu.max", f"{quota} {limits.period}"))
        else:
            files += [("cpu.cfs_period_us", str(limits.period)), ("cpu.cfs_quota_us", str(quota))]
    if controller == "cpu" and limits.cpu_shares is not None:
        shares = min(262144, max(2, limits.cpu_shares))
        weight = 1 + ((shares - 2) * 9999) // 262142  # as runc converts it (libcontainer/cgroups/utils.go)
        files.append(("cpu.weight", str(weight)) if unified else ("cpu.shares", str(shares)))
    if controller == "pids" and limits.pids is not None:
        files.append(("pids.max", str(limits.pids)))
    return files
