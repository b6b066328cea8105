"""Where on this machine control groups of our own can be made: version 1, version 2, delegated or not."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

# cpuacct counts what version 2 counts with cpu.
WANTED = frozenset(("memory", "cpu", "cpuacct", "pids"))
PREFIX = "dockyard-"
_OLD = 60.0  # seconds after which an empty group of another runtime is one that nobody will enter


@dataclass(frozen=True)
class Hierarchy:
    """A folder in which groups may be made, what they control, and the version of their files."""

    folder: Path
    controllers: frozenset[str]
    version: int


def writable(
    mounts: Path = Path("/proc/self/mountinfo"), own: Path = Path("/proc/self/cgroup")
) -> list[Hierarchy]:
    """Every hierarchy that has some of what we want; found by making a group, not by asking who we are."""
    places: dict[str, str] = {}
    for line in own.read_text().splitlines():
        _, names, place = line.split(":", 2)
        for name in names.split(","):
            places[name] = place
    found: list[Hierarchy] = []
    for kind, options, root, target in _cgroup_mounts(mounts):
        controllers = frozenset(options.split(",")) & WANTED if kind == "cgroup" else frozenset[str]()
        if kind == "cgroup" and not controllers:
            continue
        place = next((places[name] for name in controllers or {""} if name in places), "/")
        inner = os.path.relpath(place, root) if place.startswith(root) else "."
        if kind == "cgroup":
            if _can_make(target / inner):
                found.append(Hierarchy(target / inner, controllers, 1))
        elif (delegated := _delegated(target, target / inner)) is not None:
            found.append(delegated)
    return found


def _cgroup_mounts(mounts: Path) -> Iterator[tuple[str, str, str, Path]]:
    for line in mounts.read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, target = left.split(" ")[3:5]
        if kind in ("cgroup", "cgroup2") and os.access(target, os.R_OK):
            yield kind, options, root, Path(target)


def _can_make(folder: Path) -> bool:
    probe = folder / f"{PREFIX}probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        logger.debug("cgroup %s: %s", folder, error)
        return False
    return True


def _delegated(top: Path, own: Path) -> Hierarchy | None:
    """The nearest group above us whose children may have controllers, and that we may move processes in.

    A group with processes gives none to its children ("no internal processes", cgroups(7)), so it is rarely
    our own; a user's session gets one from systemd, and root has the top.
    """
    best: Hierarchy | None = None
    for folder in [own, *own.parents]:
        if not folder.is_relative_to(top):
            break
        if not os.access(folder / "cgroup.procs", os.W_OK) or not _can_make(folder):
            continue
        for controller in ("memory", "cpu", "pids"):
            try:
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError as error:
                logger.debug("cgroup %s, %s: %s", folder, controller, error)
        given = frozenset((folder / "cgroup.subtree_control").read_text().split()) & WANTED
        if given and (best is None or len(given) > len(best.controllers)):
            best = Hierarchy(folder, given, 2)
    return best


def sweep(hierarchies: list[Hierarchy]) -> None:
    """Removes what killed runtimes have left: groups that are empty, and old enough not to be in use."""
    for hierarchy in hierarchies:
        for group in hierarchy.folder.glob(f"{PREFIX}*"):
            try:
                inner = [path for path in group.iterdir() if path.is_dir()]
            except FileNotFoundError:
                continue  # another's sweep was there first
            for folder in [*inner, group]:
                try:
                    if time.time() - folder.stat().st_mtime > _OLD:
                        folder.rmdir()
                except OSError as error:  # in use, or gone
                    logger.debug("%s: %s", folder, error)
