"""One process that the parent has started, and the small calls on processes that may be gone already."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

from dockyard.runtime.plan import Plan


@dataclass
class Child:
    """From the fork until its exit was reported; `inner` is the program itself, once it runs."""

    plan: Plan
    pid: int
    channel: socket.socket | None
    inner: int = 0
    pidfd: int = -1
    master: int = -1
    ready: bool = False
    early: list[int] | None = None  # what it is ready with, until the one that joined for it has said its pid
    oom_killed: bool = False
    fatal: int = 0
    status: int | None = None
    pending: list[int] = field(default_factory=list)


def kill(pid: int, signum: int) -> None:
    """Sends a signal to a process that may have ended."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass  # it ended by itself
    except PermissionError:
        pass  # a set-uid program of another user, in a container that isn't ours to signal


def open_pidfd(pid: int) -> int:
    """A pidfd, or -1 when the process is gone."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def close(fd: int) -> int:
    """Closes `fd` if there is one; always -1, to be kept in its place."""
    if fd >= 0:
        os.close(fd)
    return -1
