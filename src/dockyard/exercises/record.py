"""Watches a namespace and remembers every change, with the time; the second half of a check's evidence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dockyard.exercises.live import ApiFailed, Live, Manifest, condition, plural

WATCHED = ("pods", "endpointslices", "events")


@dataclass(frozen=True)
class Change:
    """`t` is when we learnt of it (unix seconds, our clock); `type` is ADDED, MODIFIED or DELETED."""

    t: float
    kind: str
    type: str
    object: Manifest

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    def as_dict(self) -> dict[str, Any]:
        return {"t": round(self.t, 4), "kind": self.kind, "type": self.type, "object": self.object}


@dataclass(frozen=True)
class Mark:
    """Something to draw on a timeline."""

    t: float
    text: str


class Record:
    """What changed in a namespace while it was open. A context manager; also answers after it is closed.

    A watch that breaks is opened again from a fresh list, so no final state is missed; `gaps` counts that.
    """

    def __init__(self, live: Live, *kinds: str, on_change: Callable[[Change], None] | None = None) -> None:
        self.live = live
        self.kinds = tuple(plural(kind) for kind in kinds or WATCHED)
        self.changes: list[Change] = []
        self.gaps = 0
        self.started = 0.0
        self.ended: float | None = None
        self._state: dict[tuple[str, str], Manifest] = {}
        self._on_change = on_change
        self._watchers = [_Watcher(self, kind) for kind in self.kinds]
        self._lock = threading.Lock()

    def __enter__(self) -> Record:
        self.started = time.time()
        self.ended = None
        for watcher in self._watchers:
            watcher.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        if self.ended is None:
            self.ended = time.time()
            for watcher in self._watchers:
                watcher.stop()

    def learn(self, kind: str, type: str, obj: Manifest) -> None:
        """Note one change, unless it is a repetition after a reconnect."""
        key = (kind, obj["metadata"]["uid"])
        with self._lock:
            known = self._state.get(key)
            if type == "DELETED":
                if self._state.pop(key, None) is None:
                    return
            else:
                if known and known["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]:
                    return
                self._state[key] = obj
            change = Change(time.time(), kind, type, obj)
            self.changes.append(change)
        if self._on_change:
            self._on_change(change)

    def replace(self, kind: str, items: list[Manifest]) -> None:
        """A fresh list after a lost watch: what isn't in it has gone meanwhile."""
        there = {item["metadata"]["uid"] for item in items}
        for (known_kind, uid), obj in list(self._state.items()):
            if known_kind == kind and uid not in there:
                self.learn(kind, "DELETED", obj)
        for item in items:
            self.learn(
                kind, "ADDED" if (kind, item["metadata"]["uid"]) not in self._state else "MODIFIED", item
            )

    def of(self, kind: str, selector: str = "") -> list[Change]:
        """The changes of one kind; `selector` is a Pod-like name or `key=value,...` labels."""
        kind = plural(kind)
        return [
            change
            for change in list(self.changes)
            if change.kind == kind and matches(change.object, selector)
        ]

    def restarts(self, selector: str = "", since: float = 0.0, until: float = float("inf")) -> int:
        """How many container restarts were seen in that time (a Pod's name, or labels `key=value,...`)."""
        before: dict[tuple[str, str], int] = {}
        total = 0
        for change in self.of("pods", selector):
            for status in change.object.get("status", {}).get("containerStatuses") or ():
                key = (change.object["metadata"]["uid"], status["name"])
                count = status["restartCount"]
                if since <= change.t < until and key in before:
                    total += max(0, count - before[key])
                elif since <= change.t < until and change.type != "DELETED" and change.t - self.started > 1:
                    total += count  # a Pod that is new since we watch has all its restarts within this time
                before[key] = count
        return total

    def ready(self, service: str, since: float = 0.0, until: float = float("inf")) -> list[tuple[float, int]]:
        """How many addresses of a Service were ready, as (time, count) steps, the first at `since`."""
        slices: dict[str, int] = {}
        steps: list[tuple[float, int]] = [(max(since, self.started), 0)]
        for change in self.of("endpointslices"):
            labels = change.object["metadata"].get("labels") or {}
            if labels.get("kubernetes.io/service-name") != service or change.t >= until:
                continue
            gone = change.type == "DELETED"
            slices[change.object["metadata"]["uid"]] = 0 if gone else ready_addresses(change.object)
            count = sum(slices.values())
            if change.t <= since:
                steps = [(since, count)]
            elif steps[-1][1] != count:
                steps.append((change.t, count))
        return steps

    def marks(self) -> list[Mark]:
        """What a reader wants to see beside the requests: restarts, readiness, Pods that come and go."""
        marks: list[Mark] = []
        last: dict[str, tuple[int, bool]] = {}
        for change in self.of("pods"):
            uid, pod = change.object["metadata"]["uid"], change.object
            now = (Live.restarts_of(pod), condition(pod, "Ready"))
            was = last.get(uid)
            last[uid] = now
            if was is None and change.t - self.started > 1:
                marks.append(Mark(change.t, f"{change.name} created"))
            elif change.type == "DELETED":
                marks.append(Mark(change.t, f"{change.name} gone"))
            elif was is not None and now[0] > was[0]:
                marks.append(Mark(change.t, f"{change.name} restarted"))
            elif was is not None and now[1] != was[1]:
                marks.append(Mark(change.t, f"{change.name} {'ready' if now[1] else 'not ready'}"))
        return marks


def matches(obj: Manifest, selector: str) -> bool:
    """Whether an object has that name, or all of the labels `key=value,key2=value2`."""
    if not selector:
        return True
    if "=" not in selector:
        return str(obj["metadata"]["name"]) == selector
    labels = obj["metadata"].get("labels") or {}
    pairs = (pair.partition("=") for pair in selector.replace("==", "=").split(","))
    return all(labels.get(key.strip()) == value.strip() for key, _, value in pairs)


def ready_addresses(endpointslice: Manifest) -> int:
    """Addresses of a slice that get requests; `ready` unset counts as ready, as the API says."""
    ready = (e for e in endpointslice.get("endpoints") or () if e.get("conditions", {}).get("ready", True))
    return sum(len(endpoint["addresses"]) for endpoint in ready)


@dataclass
class _Watcher:
    """Follows one kind on a thread of its own."""

    record: Record
    kind: str
    _stream: Any = field(default=None, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _listed: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Returns once the first list is known, so that what happens afterwards is certainly seen."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._follow, name=f"watch-{self.kind}", daemon=True)
        self._thread.start()
        self._listed.wait(10)

    def stop(self) -> None:
        self._stopping.set()
        if self._stream is not None:
            self._stream.close()
        if self._thread is not None:
            self._thread.join(5)

    def _follow(self) -> None:
        live = self.record.live
        first = True
        while not self._stopping.is_set():
            try:
                listed = live.call("GET", live.path(self.kind))
                self.record.gaps += not first
                first = False
                self.record.replace(self.kind, listed["items"])
                self._listed.set()
                revision = listed["metadata"]["resourceVersion"]
                self._stream = live.stream(
                    live.path(self.kind), {"watch": "true", "resourceVersion": revision}
                )
                if self._stopping.is_set():
                    self._stream.close()
                for line in self._stream:
                    said = json.loads(line)
                    if said["type"] == "ERROR":
                        break  # 410 Gone: list again
                    if said["type"] != "BOOKMARK":
                        self.record.learn(self.kind, said["type"], said["object"])
            except (ApiFailed, ValueError, KeyError):
                # The server is away, restarting, or cut a line in half; list again until it is back.
                self._stopping.wait(0.5)
