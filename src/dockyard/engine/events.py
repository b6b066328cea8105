"""What happened in the engine: a bounded history, and followers who hear of it at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from dockyard.wire.clock import Clock

HISTORY = 256  # as many as upstream keeps
WAITING = 4096

Event = dict[str, Any]
Wanted = Callable[[Event], bool]


class Events:
    """The engine's event bus."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._followers: set[asyncio.Queue[Event | None]] = set()

    @property
    def listeners(self) -> int:
        """How many follow at present."""
        return len(self._followers)

    def publish(self, kind: str, action: str, identifier: str, attributes: Mapping[str, str]) -> None:
        """Tell everybody; `kind` is container, image, network or volume."""
        now = self._clock.now()
        event: Event = {}
        if kind in ("container", "image"):
            event["status"] = action
            if identifier:
                event["id"] = identifier
            if kind == "container":
                event["from"] = attributes.get("image", "")
        event.update(
            Type=kind,
            Action=action,
            Actor={"ID": identifier, "Attributes": dict(sorted(attributes.items()))},
            scope="local",
            time=int(now),
            timeNano=round(now * 1_000_000) * 1000,
        )
        self._history.append(event)
        for queue in list(self._followers):
            if queue.qsize() >= WAITING:
                # Whoever does not read is cut off rather than remembered for ever.
                self._followers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    async def stream(
        self, wanted: Wanted, since: float | None = None, until: float | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield past events from `since`, then those to come up to `until` (Unix seconds), oldest first."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        past = [event for event in self._history if since is not None and event["timeNano"] >= since * 1e9]
        ended = until is not None and until <= self._clock.now()
        timer = None
        if not ended:
            self._followers.add(queue)
            if until is not None:
                timer = self._clock.call_later(until - self._clock.now(), lambda: queue.put_nowait(None))
        try:
            for event in past:
                if wanted(event) and (until is None or event["timeNano"] <= until * 1e9):
                    yield event
            while not ended and (event_or_end := await queue.get()) is not None:
                if wanted(event_or_end):
                    yield event_or_end
        finally:
            self._followers.discard(queue)
            if timer is not None:
                timer.cancel()
