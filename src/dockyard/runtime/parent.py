"""The tiny process between the daemon and the containers: their parent, reaper and executioner.

It forks every container (so that the daemon's size and threads don't matter), is the subreaper of all their
orphans, owns the listeners of their system-call filters, and keeps the network's worker running. When the
daemon goes away it kills everything and ends; when it is killed itself, PR_SET_PDEATHSIG kills its children.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import time
from typing import Any

from dockyard.runtime import census, child, libc, parent_family, rights
from dockyard.runtime.drivers import enter
from dockyard.runtime.parent_child import Child, close, kill, open_pidfd
from dockyard.runtime.parent_children import Children
from dockyard.runtime.parent_watch import Watch, stop_traced
from dockyard.runtime.parent_worker import WorkerKeeper
from dockyard.runtime.plan import Plan, WatchPlan

_STARTING = 0.002  # seconds between two looks for the program that a wrapper starts
_STOPPING = 0.2  # seconds for all processes of a container to stand still
_GRACE = 0.25  # seconds between SIGTERM and SIGKILL when everything ends


class Parent:
    """The loop. One instance per runtime."""

    def __init__(self, daemon: socket.socket) -> None:
        self._daemon = daemon
        self._children = Children()
        self._poll = select.epoll()  # poll() would ask a thousand listeners each time
        self._worker = WorkerKeeper(self._poll)
        self._watch = Watch(self._members)
        self._wake, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Serves the daemon until it asks to close or is gone."""
        self._poll.register(self._daemon, select.EPOLLIN)
        self._poll.register(self._wake, select.EPOLLIN)
        while self._turn():
            pass
        self._end()

    def _turn(self) -> bool:
        for fd, events in self._poll.poll(self._timeout()):
            if fd == self._daemon.fileno():
                received = rights.receive(self._daemon)
                if received is None or received[0]["do"] == "close":
                    return False
                self._obey(*received)
            elif fd == self._wake:
                os.read(self._wake, 512)
                self._reap()
            elif self._worker.channel is not None and fd == self._worker.channel.fileno():
                self._worker.hear()
            elif not self._worker.hung_up(fd, events):
                self._hear_child(fd)
        self._find_inner()
        self._watch.look(self._children)
        self._worker.tend()
        return True

    def _timeout(self) -> float | None:
        """Seconds until something is due; None when only events matter."""
        if self._children.starting:
            return _STARTING
        waits = [self._worker.wait(), self._watch.wait()]
        due = [wait for wait in waits if wait is not None]
        return min(due) if due else None

    # -- the daemon's orders

    def _obey(self, message: dict[str, Any], fds: list[int]) -> None:
        match message["do"]:
            case "start":
                self._start(fds)
            case "signal":
                self._signal(message["key"], message["signum"])
            case "signal_all":
                self._signal_all(message["container"], message["signum"])
            case "pids":
                self._tell_pids(message["container"])
            case "limits":
                self._change_limits(message["container"], message["watched"])
            case "network":
                self._worker.enable(fds[0])
            case other:
                raise ValueError(f"unknown order {other!r}")

    def _start(self, fds: list[int]) -> None:
        with open(fds[0], "rb") as file:
            file.seek(0)
            plan: Plan = json.load(file)
        stdio = fds[1:]
        target = self._children.get(plan["joins"] or "")
        if plan["joins"] is not None and (target is None or not target.inner):
            for fd in stdio:
                os.close(fd)
            self._tell(
                {"event": "failed", "key": plan["key"], "step": "join", "errno": 3, "message": "not running"}
            )
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        pid = self._fork(plan, stdio, theirs, target)
        theirs.close()
        for fd in stdio:
            os.close(fd)
        joins = plan["style"] == "namespaces" and target is not None
        self._children.add(Child(plan, 0 if joins else pid, ours))
        self._poll.register(ours, select.EPOLLIN)

    def _fork(self, plan: Plan, stdio: list[int], channel: socket.socket, target: Child | None) -> int:
        """The pid of the child, or of the one that joins the container for it; 0 when there could be none."""
        if plan["style"] == "namespaces" and target is None:
            user = libc.CLONE_NEWUSER if plan["user_namespace"] else 0
            try:
                pid = libc.clone(enter.KINDS | user)
            except OSError as error:
                rights.send(channel, {"step": "namespaces", "errno": error.errno, "message": error.strerror})
                return 0
        else:
            pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            if plan["style"] == "namespaces" and target is not None:
                child.join(plan, target.pidfd, stdio, channel)
            child.become(plan, stdio, channel)
        return pid

    def _signal(self, key: str, signum: int) -> None:
        one = self._children.get(key)
        if one is None:
            return
        if one.inner:
            one.fatal = signum
            kill(one.inner, signum)
        else:
            one.pending.append(signum)

    def _signal_all(self, container: str, signum: int) -> None:
        watched = self._watch.get(container)
        if watched is not None and signum in (signal.SIGSTOP, signal.SIGCONT):
            watched.let_go()
            watched.paused = signum == signal.SIGSTOP
        tracers = [
            one.pid for one in self._children if one.plan["tracer"] and one.plan["container"] == container
        ]
        if tracers and signum == signal.SIGSTOP:
            # A traced process can't be stopped for long: its tracer is, and it waits for that.
            stop_traced(tracers, self._members(container))
            return
        if tracers and signum == signal.SIGCONT:
            for pid in tracers:
                kill(pid, signum)
            return
        if signum == signal.SIGSTOP:
            self._stop_all(container)
            return
        for pid in self._members(container):
            kill(pid, signum)

    def _stop_all(self, container: str) -> None:
        """Stops all, and what they fork until the signal reaches them."""
        deadline = time.monotonic() + _STOPPING
        while time.monotonic() < deadline:
            awake = [pid for pid in self._members(container) if census.state(pid) in ("R", "S")]
            if not awake:
                return
            for pid in awake:
                kill(pid, signal.SIGSTOP)
            time.sleep(0.0005)  # for the kernel to deliver them

    def _tell_pids(self, container: str) -> None:
        watched = self._watch.get(container)
        throttling = [0, 0, 0]
        if watched is not None:
            counts = watched.counts
            throttling = [counts.periods, counts.throttled, int(counts.throttled_time * 1e9)]
        self._tell(
            {
                "event": "pids",
                "container": container,
                "pids": sorted(self._members(container)),
                "throttling": throttling,
            }
        )

    def _change_limits(self, container: str, watched: WatchPlan | None) -> None:
        for one in self._children:
            if one.plan["container"] == container and one.plan["joins"] is None and one.inner:
                old = self._watch.get(container)
                if old is not None:
                    old.let_go()
                self._watch.end(container)
                one.plan["watched"] = watched
                self._watch.begin(one)

    def _tell(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        try:
            rights.send(self._daemon, message, fds)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon is gone: the loop is about to read its end of file

    # -- a child on its way to execve

    def _hear_child(self, fd: int) -> None:
        one = self._children.of_channel(fd)
        if one is not None:
            self._hear(one)
        # Else an event of this turn for a descriptor that an earlier event of the same turn has closed.

    def _hear(self, one: Child) -> None:
        assert one.channel is not None
        try:
            received = rights.receive(one.channel)
        except BlockingIOError:
            return  # an old event for a number that has a new owner
        if received is None:
            self._close_channel(one)
            if one.ready:
                self._started(one)
            elif one.status is not None or not one.pid:
                self._fail(
                    one, {"step": "start", "errno": 0, "message": "the process died before it was started"}
                )
            return
        message, fds = received
        if "pid" in message:
            self._children.note_pid(one, message["pid"])
            if one.early is not None:
                fds, one.early = one.early, None
                self._let_go(one, fds)
        elif "ready" in message and not one.pid:
            # Let go now, it could end before anybody knows whose end that is.
            one.early = fds
        elif "ready" in message:
            self._let_go(one, fds)
        else:
            for extra in fds:
                os.close(extra)
            self._fail(one, message)

    def _let_go(self, one: Child, fds: list[int]) -> None:
        if one.plan["tty"]:
            one.master = fds.pop(0)
        if fds:
            root = one.plan["root"]["merged"] if one.plan["tracer"] else None
            self._worker.add(fds.pop(0), one.plan["sandbox"], root)
        one.ready = True
        self._children.starting[one.plan["key"]] = one
        assert one.channel is not None
        one.channel.send(b"g")

    def _started(self, one: Child) -> None:
        """execve has happened (the channel closed); a wrapper has yet to start the real program."""
        if one.status is None:
            one.pidfd = open_pidfd(one.pid)
        if not one.plan["tracer"] or one.status is not None:
            self._announce(one, one.pid)

    def _find_inner(self) -> None:
        for one in list(self._children.starting.values()):
            if one.channel is None:
                inner = census.first_child(one.pid)
                if inner is not None:
                    os.close(one.pidfd)
                    one.pidfd = open_pidfd(inner)
                    self._announce(one, inner)

    def _announce(self, one: Child, inner: int) -> None:
        one.inner = inner
        self._children.starting.pop(one.plan["key"], None)
        if one.plan["joins"] is None and one.status is None:
            self._watch.begin(one)
        fds = [] if one.master < 0 else [one.master]
        self._tell({"event": "started", "key": one.plan["key"], "pid": inner}, fds)
        one.master = close(one.master)
        for signum in one.pending:
            self._signal(one.plan["key"], signum)
        if one.status is not None:
            self._exited(one)

    def _fail(self, one: Child, message: dict[str, Any]) -> None:
        self._tell({**message, "event": "failed", "key": one.plan["key"]})
        self._forget(one)

    # -- death

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._worker.pid:
                self._worker.died()
            one = self._children.of_pid(pid)
            if one is not None:
                self._died(one, status)

    def _died(self, one: Child, status: int) -> None:
        one.status = status
        if one.channel is not None:
            return  # its end of file, or its reason, is still in the channel
        if one.inner:
            self._exited(one)
        elif one.ready:
            self._announce(one, one.pid)

    def _exited(self, one: Child) -> None:
        if one.plan["joins"] is None and one.plan["style"] == "wrapped":
            self._kill_rest(one)
        assert one.status is not None
        status = self._real_status(one, one.status)
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        self._tell(
            {
                "event": "exited",
                "key": one.plan["key"],
                "code": code,
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                "oom_killed": one.oom_killed,
            }
        )
        self._forget(one)

    def _real_status(self, one: Child, status: int) -> int:
        """proot says 255 when a signal ended its program: ask the kernel, else take the signal we sent."""
        if not one.plan["tracer"] or not os.WIFEXITED(status) or os.WEXITSTATUS(status) != 255:
            return status
        seen = libc.exit_status(one.pidfd) if one.pidfd >= 0 else None
        return seen if seen is not None else one.fatal or status

    def _kill_rest(self, one: Child) -> None:
        """The first process of a container has ended, so the others end too, as in a pid namespace."""
        for pid in self._members(one.plan["container"]):
            kill(pid, signal.SIGKILL)

    def _members(self, container: str) -> list[int]:
        return parent_family.members(container, self._children, [self._worker.pid])

    def _forget(self, one: Child) -> None:
        if one.plan["joins"] is None:
            self._watch.end(one.plan["container"])
        self._close_channel(one)
        one.pidfd = close(one.pidfd)
        one.master = close(one.master)
        self._children.remove(one)

    def _close_channel(self, one: Child) -> None:
        if one.channel is not None:
            self._poll.unregister(one.channel)
            self._children.close_channel(one)

    # -- the end

    def _end(self) -> None:
        """SIGTERM to every container's program, and after the grace SIGKILL to all that is left."""
        self._poll.unregister(self._daemon)
        self._watch.let_all_go()
        for one in self._children:
            if one.inner and one.plan["joins"] is None:
                kill(one.inner, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while any(one.inner for one in self._children) and time.monotonic() < deadline:
            self._poll.poll(max(0.001, deadline - time.monotonic()))
            try:
                os.read(self._wake, 512)
            except BlockingIOError:
                pass
            self._reap()
        me = os.getpid()
        while left := census.descendants([me], census.table()) - {me}:
            for pid in left:
                kill(pid, signal.SIGKILL)
            self._poll.poll(0.001)
            self._reap()


def main(fd: int) -> None:
    """Runs the parent over the inherited socket `fd`."""
    daemon = socket.socket(fileno=fd)
    daemon.set_inheritable(False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ctrl-C in the daemon's terminal is the daemon's to answer; we end when it does.
        signal.signal(number, signal.SIG_IGN)
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
    gc.disable()
    gc.freeze()
    Parent(daemon).run()
