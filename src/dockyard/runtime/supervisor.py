"""The supervisor's worker: one process that answers the socket calls of every sandbox.

What the parent (runtime/parent*.py) does for it:

- fork it (or run `python -m dockyard.runtime.supervisor TABLES PARENT JOURNAL`) and call
  `main(tables_fd, parent_fd, journal_fd)`, which returns only when `parent_fd` reaches its end. The worker
  asks for PDEATHSIG itself. When it dies, start another with the same three kinds of descriptor.
- `tables_fd`: one end of a SOCK_SEQPACKET pair whose other end the daemon's `Network` holds (its
  `worker_end`). The parent keeps it open, and every worker inherits that same end.
- `parent_fd`: one end of a SOCK_SEQPACKET pair, a new one for every worker. JSON messages in datagrams:
    parent -> worker  {"listener": KEY, "sandbox": ID}   with the listener's descriptor (SCM_RIGHTS); KEY: any
                                                         int, unique while the parent lives. `"root": PATH` is
                                                         added when the driver translates paths (proot)
    worker -> parent  {"memory": PID}                    open /proc/PID/mem for reading and writing, please
    parent -> worker  {"memory": PID}                    with the descriptor, or {"memory": PID, "errno": N}:
                                                         under yama's scope 1 only an ancestor may open it
  After a restart the parent sends every listener again, before anything else. It keeps its own copy of each
  listener until poll() shows POLLHUP on it (no process uses the filter any more); the worker drops its copy
  by itself.
- `journal_fd`: a memfd of at least a page that all workers inherit: the call in progress, so that the next
  worker can answer what a killed one had taken.
"""

import collections
import ctypes
import errno
import json
import logging
import mmap
import os
import platform
import select
import signal
import socket
import sys
from typing import Any

from dockyard.runtime.notifications import RECORD_SIZE, Call, Listener, parse
from dockyard.runtime.seccomp import calls_of
from dockyard.runtime.supervisor_calls import Answers
from dockyard.runtime.supervisor_faults import enforce
from dockyard.runtime.supervisor_sockets import Sockets
from dockyard.runtime.supervisor_tables import Sandbox, Tables

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 1 << 17  # of the daemon: a Service with some thousand endpoints
_LONGEST_OF_PARENT = 1 << 12
_PR_SET_PDEATHSIG = 1
_TIDY_SECONDS = 5.0
_TIDY_CALLS = 1024
_CUT_SECONDS = 1.0  # until a connection that was just being accepted is severed too
_MEMORY_TIMEOUT_MS = 2000


class Worker:
    """The worker's loop: tables first, then listeners, then one call of each sandbox that waits."""

    def __init__(self, tables: socket.socket, parent: socket.socket, journal: mmap.mmap) -> None:
        self._tables_channel = tables
        self._parent_channel = parent
        self._record = (ctypes.c_char * RECORD_SIZE).from_buffer(journal, 8)
        self._record_key = ctypes.c_uint64.from_buffer(journal, 0)
        self._tables = Tables()
        self._sockets = Sockets()
        self._answers = Answers(
            calls_of(platform.machine()), self._tables, self._sockets, self._open_memory, self._bound
        )
        self._unsaid: collections.deque[bytes] = collections.deque()
        self._listeners: dict[int, tuple[Listener, int, str]] = {}
        self._later: list[tuple[dict[str, Any], list[int]]] = []
        self._epoll = select.epoll()
        self._calls = 0
        self._severed: set[int] = set()
        self._buffer = bytearray(LONGEST_MESSAGE)

    def run(self) -> None:
        """Serve until the parent goes away."""
        for channel in (self._tables_channel, self._parent_channel):
            channel.setblocking(False)
            self._epoll.register(channel, select.EPOLLIN)
        self._tell_daemon({"op": "hello"})
        while True:
            events = self._epoll.poll(_CUT_SECONDS if self._cut() else _TIDY_SECONDS)
            # What the daemon said before a program's call must count for that call.
            self._read_tables()
            self._say_to_daemon()
            if not self._read_parent():
                return
            for fd, event in events:
                if fd in self._listeners:
                    self._serve(fd, event)
            if not events or self._calls >= _TIDY_CALLS:
                self._calls = 0
                self._sockets.collect()
                self._enforce(self._cut())

    def _cut(self) -> set[str]:
        return {sandbox.name for sandbox in self._tables.sandboxes.values() if sandbox.cut}

    def _enforce(self, names: set[str]) -> None:
        if not names or not self._tables.ready:
            return
        concerned = [self._tables.sandboxes[name] for name in names & self._tables.sandboxes.keys()]
        before = [set(sandbox.stopped) for sandbox in concerned]
        try:
            enforce(self._tables, names, self._severed)
        except OSError:
            logger.exception("cut: %s", ", ".join(sorted(names)))
        for sandbox, stopped in zip(concerned, before, strict=True):
            if sandbox.stopped != stopped:
                self._tell_daemon({"op": "stopped", "sandbox": sandbox.name, "pids": sorted(sandbox.stopped)})

    def _serve(self, fd: int, event: int) -> None:
        listener, key, sandbox = self._listeners[fd]
        if event & select.EPOLLIN:
            self._record_key.value = key + 1
            ctypes.memset(self._record, 0, RECORD_SIZE)
            call = listener.receive(self._record)
            if call is not None:
                self._read_tables()
                self._answer(listener, call, sandbox)
        elif event & (select.EPOLLHUP | select.EPOLLERR):
            self._epoll.unregister(fd)
            del self._listeners[fd]
            listener.close()
            if not any(sandbox == other for _, _, other in self._listeners.values()):
                self._forget_ports(sandbox)

    def _forget_ports(self, name: str) -> None:
        """The sandbox's last program has ended: nothing is bound any more."""
        sandbox = self._tables.sandboxes.get(name)
        if sandbox is not None and sandbox.ports:
            sandbox.ports.clear()
            self._tell_daemon({"op": "idle", "sandbox": name})

    def _answer(self, listener: Listener, call: Call, name: str, replayed: bool = False) -> None:
        self._calls += 1
        sandbox = self._tables.sandboxes.get(name)
        try:
            if sandbox is None:
                listener.fail(call, errno.ENETDOWN)
            else:
                self._answers.answer(listener, call, sandbox, replayed)
        except Exception:
            # Fail closed: whatever went wrong in here, the program isn't let through.
            logger.exception("sandbox %s: call %d of %d", name, call.number, call.pid)
            listener.fail(call, errno.ENETDOWN)
        self._record_key.value = 0

    def _read_tables(self) -> None:
        while True:
            try:
                size = self._tables_channel.recv_into(self._buffer)
            except BlockingIOError:
                return
            if not size:  # the daemon is gone, and the parent will end us
                self._epoll.unregister(self._tables_channel)
                self._tables_channel, _keep = socket.socketpair()
                return
            message = json.loads(self._buffer[:size])
            self._tables.apply(message)
            if message["op"] == "ready":
                self._start_serving()
                self._enforce(set(self._tables.sandboxes))  # what was said while there was no worker
            elif message["op"] == "cut":
                self._enforce({message["sandbox"]})

    def _start_serving(self) -> None:
        for fd in self._listeners:
            self._listen_to(fd)

    def _listen_to(self, fd: int) -> None:
        self._finish_journal(*self._listeners[fd])
        try:
            self._epoll.register(fd, select.EPOLLIN)
        except FileExistsError:
            pass  # the daemon said everything again

    def _finish_journal(self, listener: Listener, key: int, sandbox: str) -> None:
        """Answer the call that the last worker had taken when it was killed."""
        if self._record_key.value == key + 1:
            call = parse(self._record.raw)
            if call.id and listener.is_waiting(call):
                logger.info("sandbox %s: answering a call that the last worker left", sandbox)
                self._answer(listener, call, sandbox, replayed=True)

    def _read_parent(self) -> bool:
        while True:
            if self._later:
                message, fds = self._later.pop(0)
            else:
                received = _receive(self._parent_channel)
                if received is None:
                    return True
                message, fds = received
            if not message:
                return False
            if "listener" in message:
                self._add_listener(message, fds[0])

    def _add_listener(self, message: dict[str, Any], fd: int) -> None:
        self._listeners[fd] = (Listener(fd), message["listener"], message["sandbox"])
        if self._tables.ready:
            self._listen_to(fd)

    def _open_memory(self, pid: int) -> int:
        try:
            return os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:
            return self._ask_for_memory(pid)

    def _ask_for_memory(self, pid: int) -> int:
        self._parent_channel.send(json.dumps({"memory": pid}).encode())
        poll = select.poll()
        poll.register(self._parent_channel, select.POLLIN)
        while poll.poll(_MEMORY_TIMEOUT_MS):
            received = _receive(self._parent_channel)
            if received is None:
                continue
            message, fds = received
            if message.get("memory") == pid:
                if fds:
                    return fds[0]
                raise PermissionError(errno.EPERM, f"/proc/{pid}/mem")
            self._later.append(received)
            if not message:
                break
        raise PermissionError(errno.EPERM, f"/proc/{pid}/mem")

    def _bound(self, sandbox: Sandbox, kind: int, address: bytes, port: int, real: int) -> None:
        """Remember a port that a sandbox has bound, here and in the daemon, which tells the next worker."""
        if sandbox.ports.get((kind, address, port)) != real:
            sandbox.ports[kind, address, port] = real
            known = {
                "sandbox": sandbox.name,
                "kind": kind,
                "address": socket.inet_ntoa(address),
                "port": port,
            }
            self._tell_daemon({"op": "bound", **known, "real": real})

    def _tell_daemon(self, message: dict[str, Any]) -> None:
        self._unsaid.append(json.dumps(message).encode())
        self._say_to_daemon()

    def _say_to_daemon(self) -> None:
        while self._unsaid:
            try:
                self._tables_channel.send(self._unsaid[0])
            except BlockingIOError:
                return  # the daemon is busy: tried again before the next calls
            except (BrokenPipeError, ConnectionResetError):
                self._unsaid.clear()  # no daemon: the parent is about to end us
                return
            self._unsaid.popleft()


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message and its descriptors, an empty message at the end, None if there is none yet."""
    try:
        raw, fds, _flags, _address = socket.recv_fds(channel, _LONGEST_OF_PARENT, 8)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        raw, fds = b"", []
    message: dict[str, Any] = json.loads(raw) if raw else {}
    return message, list(fds)


def main(tables_fd: int, parent_fd: int, journal_fd: int) -> None:
    """Be the worker until the parent goes away; the descriptors are described at the top of this file."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Worker(
        socket.socket(fileno=tables_fd), socket.socket(fileno=parent_fd), mmap.mmap(journal_fd, mmap.PAGESIZE)
    ).run()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
