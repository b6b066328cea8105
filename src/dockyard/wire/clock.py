"""The time: the only place that reads it, so that a test can turn it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Make sure that the call does not happen any more; harmless when it already did."""


class Clock(Protocol):
    """What the platform knows about time. All numbers are seconds."""

    def now(self) -> float:
        """Return the wall clock as Unix seconds; it may jump."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; it never goes back."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, `delay` seconds from now, on the event loop."""

    async def sleep(self, seconds: float) -> None:
        """Return `seconds` from now."""


class SystemClock:
    """The machine's own clock; timers need a running event loop."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, delay), callback)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _FakeTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """A clock that stands still until a test advances it; it needs no event loop for timers."""

    def __init__(self, start: float = 1_735_689_600.0) -> None:
        """Start at `start` (Unix seconds; 2025-01-01T00:00:00Z unless told)."""
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _FakeTimer]] = []

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = _FakeTimer(callback)
        heapq.heappush(self._timers, (self._elapsed + max(0.0, delay), next(self._order), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self.call_later(seconds, lambda: None if woken.done() else woken.set_result(None))
        await woken

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass: timers that fall due fire in order, also those set by earlier ones."""
        end = self._elapsed + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self._elapsed = max(self._elapsed, due)
            if timer.callback is not None:
                callback, timer.callback = timer.callback, None
                callback()
        self._elapsed = end

    def next_due(self) -> float | None:
        """Return in how many seconds the next live timer fires, or None when there is none."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._elapsed if self._timers else None


def _calendar(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def rfc3339(t: float) -> str:
    """Return Unix seconds as `2025-01-01T00:00:00Z`, cut to the second as Kubernetes' metav1.Time is."""
    return _calendar(int(t // 1)) + "Z"


def rfc3339_micro(t: float) -> str:
    """Return Unix seconds with six decimals, as metav1.MicroTime has: `2025-01-01T00:00:00.000000Z`."""
    whole, micros = divmod(round(t * 1_000_000), 1_000_000)
    return f"{_calendar(whole)}.{micros:06d}Z"


def rfc3339_nano(t: float) -> str:
    """Return Unix seconds as Go's RFC3339Nano, without trailing zeros; a float is exact to a microsecond."""
    whole, micros = divmod(round(t * 1_000_000), 1_000_000)
    fraction = f".{micros:06d}".rstrip("0").rstrip(".")
    return f"{_calendar(whole)}{fraction}Z"


def rfc3339_exact(nanoseconds: int) -> str:
    """Return nanoseconds since 1970 as Go's RFC3339Nano, without trailing zeros."""
    whole, nanos = divmod(nanoseconds, 1_000_000_000)
    fraction = f".{nanos:09d}".rstrip("0").rstrip(".")
    return f"{_calendar(whole)}{fraction}Z"


def http_date(t: float) -> str:
    """Return Unix seconds in the form of HTTP's Date header (RFC 9110, 5.6.7)."""
    moment = time.gmtime(t)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return time.strftime(f"{day}, %d {months[moment.tm_mon - 1]} %Y %H:%M:%S GMT", moment)
