"""Cut cables: what happens to connections that stand when a sandbox is cut off, and when it is restored."""

import ctypes
import logging
import os
import signal
import socket
from collections.abc import Iterator

from dockyard.runtime.packet_loss import drop_everything, drop_nothing
from dockyard.runtime.supervisor_sockets import inode_at, standing
from dockyard.runtime.supervisor_tables import Sandbox, Tables

logger = logging.getLogger(__name__)

_PIDFD_GETFD = 438  # the same on every architecture

_NODE = socket.inet_aton("127.0.0.1")

_libc = ctypes.CDLL(None, use_errno=True)


def enforce(tables: Tables, names: set[str], done: set[int]) -> None:
    """Sever or mend the standing connections of these sandboxes, as the tables say; idempotent.

    `done` holds the ends that are severed already, and is kept up to date. Both ends lose every segment, so
    TCP sees what it sees when a cable is cut, and sends again when it is mended. Where the kernel doesn't let
    us reach a program's sockets, the sandbox's process that holds one is stopped instead, and noted in
    `Sandbox.stopped`, since its connection may be gone when it is to go on.
    Differs: a cut leaves connections to addresses outside the machine standing.
    """
    owns = {sandbox.own: sandbox for sandbox in tables.sandboxes.values()}
    sever: set[int] = set()
    mend: set[int] = set()
    own_ends: dict[int, Sandbox] = {}
    for end in standing():
        here, there = owns.get(end.local), owns.get(end.remote)
        if here is there or not names & {side.name for side in (here, there) if side is not None}:
            continue
        # The node itself (probes, port-forward) is 127.0.0.1 and goes on; published ports are the gateway's.
        if (here or there) and end.local != _NODE and end.remote != _NODE:
            severed = any(side is not None and side.cut for side in (here, there))
            (sever if severed else mend).add(end.inode)
            if here is not None and here.cut == severed:
                own_ends[end.inode] = here
    for name in names & tables.sandboxes.keys():
        if not tables.sandboxes[name].cut:
            _go_on(tables.sandboxes[name])
    done &= sever | mend
    done -= mend
    if not sever - done and not mend:
        return
    for pid, fd, inode in _holders((sever - done) | mend):
        try:
            with _take_socket(pid, fd) as sock:
                (drop_everything if inode in sever else drop_nothing)(sock)
        except PermissionError:
            if inode in sever and inode in own_ends:
                _stop(pid, own_ends[inode])
        except OSError as error:
            logger.debug("process %d: its connection went away: %s", pid, error)
    done |= sever


def _holders(inodes: set[int]) -> Iterator[tuple[int, int, int]]:
    me = os.getpid()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == me:
            continue
        try:
            fds = os.listdir(f"/proc/{entry}/fd")
        except OSError:
            continue  # it ended, or is another user's
        for fd in fds:
            inode = inode_at(f"/proc/{entry}/fd/{fd}")
            if inode in inodes:
                yield int(entry), int(fd), inode


def _take_socket(pid: int, fd: int) -> socket.socket:
    process = os.pidfd_open(pid)
    try:
        taken: int = _libc.syscall(_PIDFD_GETFD, process, fd, 0)
    finally:
        os.close(process)
    if taken < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"taking descriptor {fd} of process {pid}")
    return socket.socket(fileno=taken)


def _stop(pid: int, sandbox: Sandbox) -> None:
    logger.info("sandbox %s: process %d is stopped while it is cut off", sandbox.name, pid)
    # A traced process (proot) stands still only while its tracer does: that one would let it go on at once.
    for one in (_tracer(pid), pid):
        if one:
            sandbox.stopped.add(one)
            _signal(one, signal.SIGSTOP)


def _tracer(pid: int) -> int:
    """The process that traces another one; 0 for none."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("TracerPid:")), 0)
    except OSError:
        return 0  # it ended


def _go_on(sandbox: Sandbox) -> None:
    for pid in sandbox.stopped:
        _signal(pid, signal.SIGCONT)
    sandbox.stopped.clear()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it ended
