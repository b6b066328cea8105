"""Back-off as the kubelet counts it: delays that double, and are forgotten after a long quiet time."""

from __future__ import annotations

RESTART_FIRST, RESTART_MOST = 10.0, 300.0


class Backoff:
    """One container's delays, in seconds. Not aware of time: every call says what time it is.

    The rules are client-go's `flowcontrol.Backoff` as the kubelet uses it: the delay counts from the last
    failure, the first retry is free, and after 2 x `most` without one the series starts anew.
    """

    def __init__(self, first: float = RESTART_FIRST, most: float = RESTART_MOST) -> None:
        self._first = first
        self._most = most
        self._delay = 0.0
        self._updated = 0.0

    @property
    def delay(self) -> float:
        """The present delay; 0 before the first failure."""
        return self._delay

    def remaining(self, now: float, failed_at: float) -> float:
        """How long a retry of what failed at `failed_at` has to wait still; 0 when it may go ahead."""
        if not self._delay or self._expired(failed_at):
            return 0.0
        return max(0.0, failed_at + self._delay - now)

    def next(self, now: float, failed_at: float) -> None:
        """Count a retry: the one after it waits twice as long."""
        if not self._delay or self._expired(failed_at):
            self._delay = self._first
        else:
            self._delay = min(self._delay * 2, self._most)
        self._updated = now

    def _expired(self, failed_at: float) -> bool:
        return failed_at - self._updated > 2 * self._most


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a whole time.Duration: `10s`, `1m20s`, `5m0s`."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
