"""Limits where no cgroup sees to them: the parent looks at what a container uses, and signals.

Memory: the largest process is killed, as the kernel would. CPU: all are stopped when they have used what
they may in a period, until the next one begins. Both are emulations: between two looks anything can happen.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from dockyard.runtime import census, emulated_files
from dockyard.runtime.parent_child import Child, kill

_RARELY = 0.1  # seconds between two looks at the memory of a container that is far from its limit
_OFTEN = 0.01
_SHORTEST = 0.004  # seconds; a shorter wait would cost more CPU than it saves

Members = Callable[[str], list[int]]


# Differs: without control groups of our own, limits of memory and CPU are emulated by looking and
# signalling: a program may hold more memory than its limit for up to 0.1 s, and shows as stopped (T) while
# it has to wait.
class Watched:
    """One container under watch, from its first process's start to its end."""

    def __init__(self, first: Child, members: Members) -> None:
        plan = first.plan["watched"]
        assert plan is not None
        self.first = first
        self.plan = plan
        self.next_look = 0.0
        self.paused = False
        self.counts = emulated_files.Counts()
        self._written = emulated_files.Counts()
        self._members = members
        self._container = first.plan["container"]
        self._memory_at = 0.0
        self._period = plan["period"] / 1e6
        self._quota = plan["cpus"] * self._period
        self._ends = 0.0
        self._used = -1.0  # CPU seconds at the last look
        self._left = self._quota
        self._stopped: list[int] = []
        self._tracers: list[int] = []
        self._stopped_at = 0.0

    def look(self, now: float, tracers: Iterable[int]) -> None:
        """Does what is due; sets when to look again."""
        self.next_look = now + _RARELY
        if self.plan["memory"] and now >= self._memory_at:
            self._look_at_memory(now)
        if self._quota and not self.paused:
            self._look_at_cpu(now, list(tracers))
        if self.plan["memory"]:
            self.next_look = min(self.next_look, self._memory_at)

    def let_go(self) -> None:
        """Lets processes that were stopped for their CPU limit run."""
        # Children first: a shell must not see that they had been stopped.
        for pid in reversed(self._stopped):
            kill(pid, signal.SIGCONT)
        for pid in self._tracers:
            kill(pid, signal.SIGCONT)
        if self._stopped or self._tracers:
            self.counts.throttled_time += time.monotonic() - self._stopped_at
        self._stopped, self._tracers = [], []

    def write(self) -> None:
        """Brings the files that the container sees up to date."""
        if self.counts != self._written:
            self._written = replace(self.counts)
            emulated_files.refresh(self.plan["folder"], self.counts)

    def _look_at_memory(self, now: float) -> None:
        limit = self.plan["memory"]
        pids = self._members(self._container)
        resident = census.resident(pids)
        if resident > limit:
            # Shared pages are counted for each in `resident`; the exact figure is dear.
            shares = {pid: census.memory([pid]) for pid in pids}
            resident = sum(shares.values())
            if resident > limit:
                self._kill_largest(shares)
        self.counts.memory = resident
        self._memory_at = now + (_OFTEN if resident > limit // 2 else _RARELY)
        self.write()

    def _kill_largest(self, shares: dict[int, int]) -> None:
        victim = max(shares, key=lambda pid: shares[pid])
        self.counts.oom_kills += 1
        self.first.oom_killed = True
        if victim == self.first.inner:
            self.first.fatal = signal.SIGKILL
        kill(victim, signal.SIGKILL)

    def _look_at_cpu(self, now: float, tracers: list[int]) -> None:
        pids = self._members(self._container)
        used = census.cpu_seconds(pids)
        spent = max(0.0, used - self._used) if self._used >= 0 else 0.0
        self._used = used
        self._left -= spent
        if now >= self._ends:
            self._begin_period(now, busy=spent > 0)
        if self._left > 0:
            if self._stopped or self._tracers:
                self.let_go()
            # So many cores may be busy until the next look.
            wait = max(_SHORTEST, self._left / (os.cpu_count() or 1))
            self.next_look = min(self.next_look, now + wait, max(self._ends, now + _SHORTEST))
            return
        if not (self._stopped or self._tracers):
            self._stop(pids, tracers, now)
        self.next_look = max(self._ends, now + _SHORTEST)

    def _begin_period(self, now: float, *, busy: bool) -> None:
        """A new quota, less what the last period took too much of; nothing is saved up."""
        missed = max(1, int((now - self._ends) / self._period) + 1) if self._ends else 1
        self._ends = max(now, self._ends + missed * self._period) if self._ends else now + self._period
        self._left = min(self._quota, self._left + missed * self._quota)
        if busy or self._stopped or self._tracers:
            self.counts.periods += 1
            self.write()

    def _stop(self, pids: list[int], tracers: list[int], now: float) -> None:
        self._stopped_at = now
        self.counts.throttled += 1
        # The period in which it began to work was not counted: nothing had been spent before it.
        self.counts.periods = max(self.counts.periods, self.counts.throttled)
        if tracers:
            self._tracers = tracers
            stop_traced(tracers, pids)
            return
        # Parents first, so that none sees a child that has stopped. What its owner stopped stays so.
        for pid in pids:
            if census.state(pid) not in ("T", "Z"):
                kill(pid, signal.SIGSTOP)
                self._stopped.append(pid)


def stop_traced(tracers: list[int], pids: Iterable[int]) -> None:
    """Stops processes that a tracer runs: a signal makes them wait for it, and it is stopped itself.

    SIGURG, because nobody minds it: its default is to be ignored, and Go's runtime sends it all the time.
    """
    for pid in tracers:
        kill(pid, signal.SIGSTOP)
    for pid in pids:
        if census.state(pid) == "R":
            kill(pid, signal.SIGURG)


class Watch:
    """All containers under watch, by name."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._watched: dict[str, Watched] = {}

    def begin(self, first: Child) -> None:
        """Watches the container of a first process that now runs, if its plan says so."""
        if first.plan["watched"] is not None:
            self._watched[first.plan["container"]] = Watched(first, self._members)

    def end(self, container: str) -> None:
        """The container's first process has ended."""
        self._watched.pop(container, None)

    def get(self, container: str) -> Watched | None:
        """The container, if it is under watch."""
        return self._watched.get(container)

    def let_all_go(self) -> None:
        """Everything is about to end, and must be awake for it."""
        for one in self._watched.values():
            one.let_go()
        self._watched.clear()

    def wait(self) -> float | None:
        """Seconds until the next look; None when there is nothing to watch."""
        looks = [one.next_look for one in self._watched.values()]
        return max(0.0, min(looks) - time.monotonic()) if looks else None

    def look(self, children: Iterable[Child]) -> None:
        """Looks at every container whose time has come."""
        now = time.monotonic()
        for name, one in list(self._watched.items()):
            if now >= one.next_look:
                tracers = [
                    child.pid
                    for child in children
                    if child.plan["tracer"] and child.plan["container"] == name and child.status is None
                ]
                one.look(now, tracers)
