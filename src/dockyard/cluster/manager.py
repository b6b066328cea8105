"""kube-controller-manager's engine room: one queue of keys, and settle() to run it dry."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, Conflict, NotFound
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import Clock, Timer

# The same numbers as client-go's ItemExponentialFailureRateLimiter in every upstream controller.
FIRST_RETRY_SECONDS = 0.005
LONGEST_RETRY_SECONDS = 1000.0
# How long one turn may keep the event loop from clients' requests.
TURN_SECONDS = 0.01
# A key that takes longer than this is left alone for ten times as long, a quarter of a second at most: what
# happens meanwhile to its thousand Pods is then looked at once.
LONG_SECONDS = 0.005
LONGEST_REST_SECONDS = 0.25

logger = logging.getLogger(__name__)


class Key(NamedTuple):
    """Which object to look at; never what happened to it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class NotSettled(Exception):
    """Controllers keep waking each other: a bug of ours, named after the keys that never rest."""


class Controller(Protocol):
    """One control loop. It remembers nothing that a restart would lose.

    One that has an attribute `kinds` other than None is asked about events of these kinds only.
    """

    name: str

    def existing(self) -> Iterable[Key]:
        """Every key worth a look when the manager starts."""

    def keys(self, event: Event) -> Iterable[Key]:
        """The keys that a committed change concerns."""

    def reconcile(self, key: Key) -> float | None:
        """Bring what is nearer to what should be; return in how many seconds to look again, if at all."""


Trigger = Callable[[Event], Iterable[Key]]


class KindController:
    """A controller of one kind, from a function: `reconcile(api, obj)`.

    `triggers` maps other kinds to the keys of this kind that their events concern; `removed` is called when
    the object is no longer there.
    """

    def __init__(
        self,
        api: Api,
        name: str,
        kind: str,
        reconcile: Callable[[Api, Manifest], float | None],
        *,
        triggers: Mapping[str, Trigger] | None = None,
        removed: Callable[[Api, Key], None] | None = None,
    ) -> None:
        self.name = name
        self._api = api
        self._kind = kind
        self._reconcile = reconcile
        self._triggers = dict(triggers or {})
        self._removed = removed
        # One that overrides `keys` may want to hear of any kind.
        plain = type(self).keys is KindController.keys
        self.kinds = frozenset({kind, *self._triggers}) if plain else None

    def existing(self) -> Iterable[Key]:
        return [key_of(obj) for obj in self._api.list(self._kind)]

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind == self._kind:
            return (Key(event.namespace, event.name),)
        trigger = self._triggers.get(event.kind)
        return trigger(event) if trigger else ()

    def reconcile(self, key: Key) -> float | None:
        obj = self._api.find(self._kind, key.name, key.namespace or None)
        if obj is not None:
            return self._reconcile(self._api, obj)
        if self._removed is not None:
            self._removed(self._api, key)
        return None


class Manager:
    """Runs controllers, one key at a time, each key at most once in the queue, failures with back-off."""

    def __init__(self, api: Api, clock: Clock, controllers: Sequence[Controller]) -> None:
        self._api = api
        self._clock = clock
        self._controllers = tuple(controllers)
        self._concerned: dict[str, tuple[Controller, ...]] = {}  # by kind
        self._queue: deque[tuple[Controller, Key]] = deque()
        self._queued: set[tuple[str, Key]] = set()
        self._delayed: dict[tuple[str, Key], tuple[float, Timer]] = {}
        self._failures: dict[tuple[str, Key], int] = {}
        self._rests: dict[tuple[str, Key], float] = {}  # until when (monotonic)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn_scheduled = False
        self._unsubscribe = api.subscribe(self._on_event)
        for controller in self._controllers:
            for key in controller.existing():
                self.enqueue(controller, key)

    def add(self, controller: Controller) -> None:
        """Let one more controller take part from now on."""
        self._controllers = (*self._controllers, controller)
        self._concerned.clear()
        for key in controller.existing():
            self.enqueue(controller, key)

    def remove(self, controller: Controller) -> None:
        """Tell a controller nothing more; it may still be asked to look at what is in the queue."""
        self._controllers = tuple(other for other in self._controllers if other is not controller)
        self._concerned.clear()

    def run(self) -> None:
        """Work on the running event loop from now on, in turns between clients' requests, until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._schedule_turn()

    def stop(self) -> None:
        """Start no further reconcile; harmless when called twice."""
        self._loop = None
        self._unsubscribe()
        for _, timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()
        self._queue.clear()
        self._queued.clear()

    def settle(self, limit: int = 20_000) -> int:
        """Run the queue until nothing is due now and return how many keys were looked at.

        Delayed keys wait for the clock. Raises NotSettled after `limit` keys.
        """
        done = 0
        while self._queue:
            if done >= limit:
                names = sorted({f"{controller.name} {key}" for controller, key in self._queue})
                raise NotSettled(f"still not settled after {limit} reconciles: {', '.join(names[:10])}")
            self._step()
            done += 1
        return done

    def enqueue(self, controller: Controller, key: Key, delay: float = 0.0) -> None:
        """Look at `key`, `delay` seconds from now; the earlier of two delays wins."""
        mark = (controller.name, key)
        delay = max(delay, self._rest(mark))
        if delay > 0:
            self._enqueue_later(controller, key, delay)
            return
        pending = self._delayed.pop(mark, None)
        if pending is not None:
            pending[1].cancel()
        if mark not in self._queued:
            self._queued.add(mark)
            self._queue.append((controller, key))
            self._schedule_turn()

    def _rest(self, mark: tuple[str, Key]) -> float:
        """In how many seconds a key may be looked at again."""
        until = self._rests.get(mark)
        if until is None:
            return 0.0
        left = until - self._clock.monotonic()
        if left <= 0:
            del self._rests[mark]
        return max(0.0, left)

    def _enqueue_later(self, controller: Controller, key: Key, delay: float) -> None:
        mark = (controller.name, key)
        due = self._clock.monotonic() + delay
        pending = self._delayed.get(mark)
        if pending is not None:
            if pending[0] <= due:
                return
            pending[1].cancel()

        def wake() -> None:
            self._delayed.pop(mark, None)
            self.enqueue(controller, key)

        self._delayed[mark] = (due, self._clock.call_later(delay, wake))

    def _on_event(self, event: Event) -> None:
        concerned = self._concerned.get(event.kind)
        if concerned is None:
            concerned = tuple(
                controller
                for controller in self._controllers
                if (kinds := getattr(controller, "kinds", None)) is None or event.kind in kinds
            )
            self._concerned[event.kind] = concerned
        for controller in concerned:
            for key in controller.keys(event):
                self.enqueue(controller, key)

    def _schedule_turn(self) -> None:
        if self._loop is not None and self._queue and not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_scheduled = False
        until = self._clock.monotonic() + TURN_SECONDS
        while self._queue:
            self._step()
            if self._clock.monotonic() >= until:
                break
        self._schedule_turn()

    def _step(self) -> None:
        controller, key = self._queue.popleft()
        mark = (controller.name, key)
        self._queued.discard(mark)
        started = self._clock.monotonic()
        try:
            again = controller.reconcile(key)
        except Exception as error:
            self._failed(controller, key, error)
            return
        self._failures.pop(mark, None)
        took = self._clock.monotonic() - started
        if took > LONG_SECONDS:
            self._rests[mark] = started + took + min(10 * took, LONGEST_REST_SECONDS)
        if again is not None:
            self.enqueue(controller, key, max(again, FIRST_RETRY_SECONDS))

    def _failed(self, controller: Controller, key: Key, error: Exception) -> None:
        mark = (controller.name, key)
        failures = self._failures.get(mark, 0)
        self._failures[mark] = failures + 1
        delay = min(FIRST_RETRY_SECONDS * 2**failures, LONGEST_RETRY_SECONDS)
        if isinstance(error, Conflict | NotFound):
            logger.debug("%s %s: %s; again in %.3f s", controller.name, key, error, delay)
        elif isinstance(error, ApiError):
            logger.info("%s %s: %s; again in %.3f s", controller.name, key, error, delay)
        else:
            logger.error("%s %s: a bug of ours; again in %.3f s", controller.name, key, delay, exc_info=error)
        self._enqueue_later(controller, key, delay)


def key_of(obj: Manifest) -> Key:
    """The key of an object."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])
