"""One watcher of the store: what it selects, in order, in a queue that a slow reader cannot grow."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.selectors import EVERYTHING, FieldRequirement, Selector, fields_match
from dockyard.cluster.store import Event, EventType, Record, Store, dump

Manifest = dict[str, Any]

QUEUE_EVENTS = 2000
QUEUE_BYTES = 8 << 20


class Selection(NamedTuple):
    """Which objects of a kind are meant; `namespace` None is all of them."""

    kind: Kind
    namespace: str | None = None
    labels: Selector = EVERYTHING
    fields: tuple[FieldRequirement, ...] = ()

    def includes(self, record: Record) -> bool:
        if self.namespace is not None and record.namespace != self.namespace:
            return False
        if not self.labels.matches(record.labels):
            return False
        if not self.fields:
            return True
        for need in self.fields:
            # The common case, kubectl's watch on one object, needs no parsing.
            if need.path == "metadata.name" and (need.value == record.name) == need.negated:
                return False
        return all(need.path == "metadata.name" for need in self.fields) or fields_match(
            self.fields, record.load()
        )


class Change(NamedTuple):
    """One event as this watcher sees it: leaving the selection is DELETED, entering it ADDED.

    `stored` are the store's own bytes, so that what waits for a thousand watchers is there once.
    """

    type: EventType
    prefix: bytes
    stored: bytes

    @property
    def body(self) -> bytes:
        """The object's JSON with kind and apiVersion, in the version that is watched."""
        return self.prefix + self.stored[1:]

    @property
    def object(self) -> Manifest:
        value: Manifest = json.loads(self.body)
        return value


class Watch:
    """Changes since a revision, until closed.

    The store never waits for a watcher: when the queue is full the watch is over (`overflowed`), and the
    client begins anew from its last revision, or lists again when that is too old.
    """

    def __init__(self, store: Store, selection: Selection, since: int) -> None:
        """Begin with the changes after `since`. Raises CompactedError when they are no longer known."""
        self._selection = selection
        self._queue: deque[Change] = deque()
        self._bytes = 0
        self._wake: Callable[[], None] | None = None
        self.overflowed = False
        self.revision = since
        for event in store.since(since):
            self._offer(event)
        self._unsubscribe = store.subscribe(self._offer)

    def on_change(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever something was queued or the watch is over."""
        self._wake = wake

    def take(self) -> list[Change]:
        """All that is queued, oldest first."""
        taken = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        return taken

    def close(self) -> None:
        self._unsubscribe()
        self._queue.clear()

    def _offer(self, event: Event) -> None:
        if self.overflowed:
            return
        self.revision = event.revision
        if event.kind != self._selection.kind.key:
            return
        change = self._seen(event)
        if change is None:
            return
        self._queue.append(change)
        self._bytes += len(change.stored)
        if len(self._queue) > QUEUE_EVENTS or self._bytes > QUEUE_BYTES:
            self.overflowed = True
            self._queue.clear()
            self._unsubscribe()
        if self._wake:
            self._wake()

    def _seen(self, event: Event) -> Change | None:
        was = event.previous is not None and self._selection.includes(event.previous)
        if event.type == "DELETED":
            return self._change("DELETED", event.record.body) if was else None
        now = self._selection.includes(event.record)
        if now:
            return self._change("MODIFIED" if was else "ADDED", event.record.body)
        if not was or event.previous is None:
            return None
        last = event.previous.load()
        last["metadata"]["resourceVersion"] = str(event.revision)
        return self._change("DELETED", dump(last))

    def _change(self, type: EventType, stored: bytes) -> Change:
        return Change(type, self._selection.kind.prefix, stored)
