"""Which processes are there, read from /proc: parents, tracers, marks, memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

MARK = "DOCKYARD_CONTAINER"
_PAGE = os.sysconf("SC_PAGESIZE")


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
