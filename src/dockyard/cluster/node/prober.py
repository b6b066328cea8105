"""One probe of one container: when it asks, how it counts, and when its answer changes the container."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from dockyard.cluster.store import Manifest
from dockyard.wire.clock import Clock, Timer

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"

logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What one attempt found; `message` is the text of the Unhealthy Event."""

    healthy: bool
    message: str = ""


@dataclass
class Count:
    """How many equal answers came in a row, against a probe's thresholds."""

    success_threshold: int = 1
    failure_threshold: int = 3
    last: bool | None = None
    run: int = 0

    def add(self, healthy: bool) -> bool | None:
        """Count an answer; return it once it has come often enough in a row to mean something, else None."""
        self.run = self.run + 1 if healthy == self.last else 1
        self.last = healthy
        threshold = self.success_threshold if healthy else self.failure_threshold
        return healthy if self.run >= threshold else None


class Prober:
    """Asks once at the start and then every `periodSeconds`, as a kubelet's probe worker does.

    `ask` makes one attempt; it is cut off after `timeoutSeconds`. `decide` hears every answer that passed a
    threshold, `report` the message of every failed attempt. `may_ask` says whether the probe applies now
    (a readiness probe waits for the startup probe). Ticks that fall into a slow attempt are lost.
    """

    def __init__(
        self,
        kind: str,
        spec: Manifest,
        clock: Clock,
        *,
        ask: Callable[[], Awaitable[Answer]],
        decide: Callable[[str, bool], None],
        report: Callable[[str, str], None],
        may_ask: Callable[[], bool],
        timed_out: Callable[[], str],
    ) -> None:
        self.kind = kind
        self.spec = spec
        self._clock = clock
        self._ask = ask
        self._decide = decide
        self._report = report
        self._may_ask = may_ask
        self._timed_out = timed_out
        self._count = Count(spec.get("successThreshold", 1), spec.get("failureThreshold", 3))
        self._started = clock.monotonic()
        self._timer: Timer | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._limit: Timer | None = None
        self._late = False
        self._stopped = False

    @property
    def has_passed(self) -> bool:
        return self._count.last is True and self._count.run >= self._count.success_threshold

    def start(self) -> None:
        """Ask now, and from now on in every period."""
        self._started = self._clock.monotonic()
        self._tick()

    def stop(self) -> None:
        """Ask no more, and forget an attempt that is under way."""
        self._stopped = True
        for timer in (self._timer, self._limit):
            if timer is not None:
                timer.cancel()
        if self._attempt is not None:
            self._attempt.cancel()

    def trigger(self) -> None:
        """Ask out of turn, unless an attempt is under way."""
        if not self._stopped:
            self._attempt_now()

    def _tick(self) -> None:
        if self._stopped:
            return
        self._timer = self._clock.call_later(self.spec.get("periodSeconds", 10), self._tick)
        self._attempt_now()

    def _attempt_now(self) -> None:
        delay = self.spec.get("initialDelaySeconds", 0)
        if self._attempt is not None or not self._may_ask():
            return
        # A tick is due by the second; half a millisecond of a timer's slack must not cost a whole period.
        if self._clock.monotonic() - self._started < delay - 0.001:
            return
        self._late = False
        self._attempt = asyncio.get_running_loop().create_task(self._try())
        self._limit = self._clock.call_later(self.spec.get("timeoutSeconds", 1), self._cut_off)

    def _cut_off(self) -> None:
        if self._attempt is not None:
            self._late = True
            self._attempt.cancel()

    async def _try(self) -> None:
        try:
            answer = await self._ask()
        except asyncio.CancelledError:
            if self._stopped or not self._late:
                raise
            answer = Answer(False, self._timed_out())
        except Exception as error:  # a probe that breaks is a failed probe; the loop goes on
            logger.exception("%s probe", self.kind)
            answer = Answer(False, str(error))
        finally:
            self._attempt = None
            if self._limit is not None:
                self._limit.cancel()
        self._take(answer)

    def _take(self, answer: Answer) -> None:
        if self._stopped:
            return
        if not answer.healthy:
            self._report(self.kind, answer.message)
        verdict = self._count.add(answer.healthy)
        if verdict is None or self._stopped:
            return
        if verdict is False and self.kind in (STARTUP, LIVENESS):
            self._count.run = 0  # the container is restarted: count anew
        self._decide(self.kind, verdict)
