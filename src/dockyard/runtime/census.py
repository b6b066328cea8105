"""Which processes are there, read from /proc: parents, tracers, marks, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import NamedTuple

MARK = "DOCKYARD_CONTAINER"
_PAGE = os.sysconf("SC_PAGESIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
# A kernel without CONFIG_PROC_CHILDREN doesn't.
_LISTS_CHILDREN = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


class Entry(NamedTuple):
    """One line of the process table."""

    parent: int
    state: str


def table() -> dict[int, Entry]:
    """Every process that is seen here, zombies too."""
    found: dict[int, Entry] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue  # gone since it was listed
            found[int(name)] = Entry(int(fields[1]), fields[0].decode())
    return found


def descendants(roots: Iterable[int], processes: dict[int, Entry]) -> set[int]:
    """`roots` that still live, and all that descend from them."""
    children: dict[int, list[int]] = {}
    for pid, entry in processes.items():
        children.setdefault(entry.parent, []).append(pid)
    found: set[int] = set()
    todo = [pid for pid in roots if pid in processes]
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo.extend(children.get(pid, ()))
    return found


def children(pid: int) -> list[int]:
    """The living children and zombies of `pid`, of all its threads, oldest first."""
    if not _LISTS_CHILDREN:
        return sorted(child for child, entry in table().items() if entry.parent == pid)
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        return found  # a thread, or all of it, is gone since
    return found


def family(roots: Iterable[int]) -> list[int]:
    """`roots` that still live and all that descend from them, parents before their children."""
    found: list[int] = []
    todo = list(roots)
    seen = set(todo)
    for pid in todo:  # which grows meanwhile
        if state(pid) in ("", "Z"):
            continue
        found.append(pid)
        new = [child for child in children(pid) if child not in seen]
        seen.update(new)
        todo += new
    return found


def state(pid: int) -> str:
    """The state as in ps: R, S, D, T, t, Z; "" when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Seconds of CPU that `pids` have used, with their children that have ended and were waited for."""
    total = 0.0
    for pid in pids:
        try:
            # A process's CPU clock by its number (CPUCLOCK_SCHED in the kernel's posix-timers.h): exact,
            # where /proc counts in hundredths of a second.
            total += time.clock_gettime((~pid << 3) | 2)
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        total += (int(fields[13]) + int(fields[14])) / _TICKS
    return total


def mark(pid: int) -> str | None:
    """The container that `pid` says to belong to, from the environment it was started with."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        name, _, value = variable.partition(b"=")
        if name == MARK.encode():
            return value.decode(errors="replace")
    return None


def marked(prefix: str) -> set[int]:
    """Every process whose mark begins with `prefix`: what a runtime that was killed has left behind."""
    return {pid for pid in table() if (mark(pid) or "").startswith(prefix)}


def rooted(home: str) -> set[int]:
    """Every process in another mount namespace whose root file system is a container's below `home`.

    The kernel ends a container's processes with their parent, but for a set-uid program, which forgets it.
    """
    sign = home.replace("\\", "\\134").replace(" ", "\\040")  # as mountinfo writes paths
    ours = os.stat("/proc/self/ns/mnt").st_ino
    judged: dict[int, bool] = {ours: False}
    found: set[int] = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            namespace = os.stat(f"/proc/{name}/ns/mnt").st_ino
            if namespace not in judged:
                with open(f"/proc/{name}/mountinfo") as file:
                    root = file.readline()
                judged[namespace] = f"upperdir={sign}/" in root or f" {sign}/" in root
        except OSError:
            continue  # gone since it was listed, or another user's
        if judged[namespace]:
            found.add(int(name))
    return found


def first_child(pid: int) -> int | None:
    """The oldest child of `pid`."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            first = file.read().split()[:1]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN, or no such process
        first = [str(child) for child, entry in sorted(table().items()) if entry.parent == pid][:1]
    except OSError:
        return None
    return int(first[0]) if first else None


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory that `pids` hold together: the proportional share, so shared pages count once."""
    return sum(_share(pid) for pid in pids)


def resident(pids: Iterable[int]) -> int:
    """Bytes resident in `pids`, pages they share counted for each: an upper bound, cheap to read."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                total += int(file.read().split()[1]) * _PAGE
        except OSError:
            continue
    return total


def _share(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
