"""The parent's care for the network's worker: started, handed every listener, started again when it dies."""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any, NoReturn

from dockyard.runtime import libc, rights

_RESTART = 0.05  # seconds before a worker that died is started again


class WorkerKeeper:
    """At most one worker at a time, and the listeners that each must be given."""

    def __init__(self, poll: select.epoll) -> None:
        self._poll = poll
        self._tables = -1
        self._journal = -1
        self._keys = 0
        self._listeners: dict[int, dict[str, Any]] = {}
        self.channel: socket.socket | None = None
        self.pid = 0
        self._due: float | None = None

    def enable(self, tables: int) -> None:
        """Keeps the worker's end of the daemon's tables and starts the first worker."""
        self._tables = tables
        self._journal = os.memfd_create("journal")
        os.ftruncate(self._journal, mmap.PAGESIZE)
        self._start()

    def wait(self) -> float | None:
        """Seconds until `tend` has something to do."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def tend(self) -> None:
        """Starts the next worker when its time has come."""
        if self.wait() == 0.0:
            self._start()

    def add(self, listener: int, sandbox: str, root: str | None) -> None:
        """Takes over a listener: it is kept, for later workers, until no process uses its filter any more."""
        self._keys += 1
        self._listeners[listener] = {"listener": self._keys, "sandbox": sandbox}
        if root is not None:
            self._listeners[listener]["root"] = root
        self._poll.register(listener, 0)  # POLLHUP comes unasked when the last filtered task is gone
        self._hand_over(listener)

    def hung_up(self, fd: int, events: int) -> bool:
        """Whether `fd` is a listener; closed if `events` say that nobody is behind it any more."""
        if fd not in self._listeners:
            return False
        if events & (select.EPOLLHUP | select.EPOLLERR):
            self._poll.unregister(fd)
            del self._listeners[fd]
            os.close(fd)
        return True

    def hear(self) -> None:
        """The worker has said something, or hung up."""
        assert self.channel is not None
        received = rights.receive(self.channel)
        if received is None:
            self._hang_up()
            return
        pid = received[0]["memory"]
        try:
            fd = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            self._say({"memory": pid, "errno": error.errno}, [])
            return
        self._say({"memory": pid}, [fd])
        os.close(fd)

    def died(self) -> None:
        """The worker was reaped: nothing is let through until the next one has the listeners."""
        self._hang_up()
        self.pid = 0
        self._due = time.monotonic() + _RESTART

    def _start(self) -> None:
        self._due = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self._become_worker(theirs.detach())
        theirs.close()
        self.channel = ours
        self._poll.register(ours, select.EPOLLIN)
        for listener in self._listeners:
            self._hand_over(listener)

    def _become_worker(self, channel: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
            kept = (channel, self._tables, self._journal)
            for name in os.listdir("/proc/self/fd"):
                if int(name) > 2 and int(name) not in kept:
                    try:
                        os.close(int(name))
                    except OSError:
                        pass  # the descriptor that listed the folder
            from dockyard.runtime import supervisor

            supervisor.main(self._tables, channel, self._journal)
        except BaseException:  # it must never run on into the parent's loop
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)

    def _hand_over(self, listener: int) -> None:
        self._say(self._listeners[listener], [listener])

    def _say(self, message: dict[str, Any], fds: list[int]) -> None:
        if self.channel is None:
            return  # the next worker is told everything when it starts
        try:
            rights.send(self.channel, message, fds)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has died; the next one gets it

    def _hang_up(self) -> None:
        if self.channel is not None:
            self._poll.unregister(self.channel)
            self.channel.close()
            self.channel = None
