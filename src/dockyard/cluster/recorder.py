"""Events about objects, counted up when they repeat, as client-go's recorder does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from dockyard.cluster.errors import ApiError
from dockyard.wire.clock import rfc3339, rfc3339_micro

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

logger = logging.getLogger(__name__)
TTL_SECONDS = 3600  # kube-apiserver --event-ttl
NODE = "dockyard"
SCHEDULER = "default-scheduler"


class Recorder:
    """Creates Event objects through the API and removes those older than an hour."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._names: dict[tuple[str, ...], tuple[str, str]] = {}
        self._next_sweep = 0.0

    def record(self, obj: Manifest, type: str, reason: str, message: str, component: str) -> None:
        """One Event, or one more count of the same."""
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        about = (namespace, obj["kind"], meta["name"], meta.get("uid", ""), obj.get("fieldPath", ""))
        key = (*about, type, reason, message, component)
        self._sweep()
        known = self._names.get(key)
        event = self._api.find("Event", known[1], known[0]) if known else None
        now = self._api.now()
        if event is not None:
            event["count"] = event.get("count", 1) + 1
            event["lastTimestamp"] = now
            self._api.update("Event", event)
            return
        unique = f"{meta['name']}.{int(self._api.clock.now() * 1e9):x}"
        while self._api.store.get("Event", namespace, unique) is not None:
            head, _, tail = unique.rpartition(".")
            unique = f"{head}.{int(tail, 16) + 1:x}"
        source: Manifest = {"component": component}
        if component == "kubelet":
            source["host"] = NODE
        created: Manifest = {
            "metadata": {"name": unique, "namespace": namespace},
            "involvedObject": _reference(obj),
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": source.get("host", ""),
        }
        if component == SCHEDULER:
            # The scheduler uses the newer API of events: one moment, an action, and no count.
            del created["count"]
            created |= {
                "source": {},
                "firstTimestamp": None,
                "lastTimestamp": None,
                "eventTime": rfc3339_micro(self._api.clock.now()),
                "action": "Binding" if reason == "Scheduled" else "Scheduling",
                "reportingInstance": f"{SCHEDULER}-{NODE}",
            }
        try:
            self._api.create("Event", created)
        except ApiError as error:
            # Nobody's work may end because it can't be told of: a Pod in a namespace that is going still has
            # to be stopped. Upstream's recorder logs it in these words.
            logger.info("Server rejected event (will not retry!): %s", error)
            return
        if component != SCHEDULER:
            self._names[key] = (namespace, unique)

    def _sweep(self) -> None:
        """Drop Events past their hour; called with each new one, and works at most once a minute."""
        now = self._api.clock.now()
        if now < self._next_sweep:
            return
        self._next_sweep = now + 60
        limit = rfc3339(now - TTL_SECONDS)
        for event in self._api.list("Event"):
            last = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
            if last < limit:
                self._api.delete("Event", event["metadata"]["name"], event["metadata"]["namespace"])
        self._names = {
            key: place
            for key, place in self._names.items()
            if self._api.store.get("Event", *place) is not None
        }


def _reference(obj: Manifest) -> Manifest:
    meta = obj["metadata"]
    found = {
        "kind": obj["kind"],
        "namespace": meta.get("namespace"),
        "name": meta["name"],
        "uid": meta.get("uid"),
        "apiVersion": obj["apiVersion"],
        "resourceVersion": meta.get("resourceVersion"),
        "fieldPath": obj.get("fieldPath"),
    }
    return {key: value for key, value in found.items() if value}
