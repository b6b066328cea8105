"""Families of processes, read from /proc: who descends from whom, and ending those that are left."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from typing import NamedTuple


class Identity(NamedTuple):
    """A process, and not another one that got its number later: `started` is in clock ticks since boot."""

    pid: int
    started: int


def descendants(pid: int) -> set[Identity]:
    """All processes below `pid`, at this moment."""
    parents: dict[int, list[Identity]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (found := _stat(int(entry))) is not None:
            parent, identity = found
            parents.setdefault(parent, []).append(identity)
    family: set[Identity] = set()
    generation = [pid]
    while generation:
        children = [child for one in generation for child in parents.get(one, ()) if child not in family]
        family.update(children)
        generation = [child.pid for child in children]
    return family


def alive(family: Iterable[Identity]) -> set[Identity]:
    """Those of `family` that still run; zombies don't."""
    return {one for one in family if (found := _stat(one.pid)) is not None and found[1] == one}


def kill(family: Iterable[Identity]) -> None:
    """SIGKILL to each, and wait up to a second until the kernel has buried them."""
    handles = []
    for one in family:
        try:
            handle = os.pidfd_open(one.pid)
        except (ProcessLookupError, PermissionError):
            continue
        handles.append(handle)
        if one in alive([one]):
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
        poll.poll(1000)
        poll.unregister(handle)
        os.close(handle)


def _stat(pid: int) -> tuple[int, Identity] | None:
    """Parent and identity of a process (proc(5), /proc/PID/stat); None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in parentheses may hold anything, also parentheses and spaces.
            fields = file.read().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[1]), Identity(pid, int(fields[19]))
