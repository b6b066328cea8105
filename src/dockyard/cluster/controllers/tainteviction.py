"""Taint eviction: ends Pods on nodes whose NoExecute taints they do not tolerate, or no longer."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.disruptiontarget import mark
from dockyard.cluster.manager import Controller, Key, key_of
from dockyard.cluster.placement import tolerates
from dockyard.cluster.podstate import condition, is_active, unix
from dockyard.cluster.store import Event, Manifest

COMPONENT = "taint-eviction-controller"

logger = logging.getLogger(__name__)


def controller(api: Api) -> Controller:
    return TaintEviction(api)


class TaintEviction:
    """A controller of the Pods on tainted nodes.

    It remembers when it saw a taint that doesn't say when it was added; as upstream, a restart forgets that.
    """

    name = "tainteviction"

    def __init__(self, api: Api) -> None:
        self._api = api
        self._taints: dict[str, list[Manifest]] = {}  # by node, NoExecute only
        self._planned: dict[Key, float] = {}  # when the toleration began to count

    def existing(self) -> Iterable[Key]:
        self._taints = {n["metadata"]["name"]: found for n in self._api.list("Node") if (found := _taints(n))}
        return [key_of(p) for p in self._api.list("Pod") if p["spec"].get("nodeName") in self._taints]

    def keys(self, event: Event) -> Iterable[Key]:
        """The Pod of the event where it matters; all Pods of a node whose taints have changed."""
        if event.kind == "Pod":
            key = Key(event.namespace, event.name)
            tainted = event.object["spec"].get("nodeName") in self._taints
            return (key,) if tainted or key in self._planned else ()
        if event.kind != "Node":
            return ()
        found = _taints(event.object) if event.type != "DELETED" else []
        if found == self._taints.get(event.name, []):
            return ()
        if found:
            self._taints[event.name] = found
        else:
            del self._taints[event.name]
        return [key_of(pod) for pod in self._api.list("Pod", fields=f"spec.nodeName={event.name}")]

    def reconcile(self, key: Key) -> float | None:
        """Evict the Pod when its time on the node is over; else say how long it may stay."""
        pod = self._api.find("Pod", key.name, key.namespace)
        if pod is None or not is_active(pod):
            self._planned.pop(key, None)
            return None
        taints = self._taints.get(pod["spec"].get("nodeName", ""), [])
        if not taints:
            if self._planned.pop(key, None) is not None:
                self._say(pod, f"Cancelling deletion of Pod {key}")
            return None
        tolerations = [_first(pod, taint) for taint in taints]
        if None in tolerations:
            self._evict(pod, key)
            return None
        limits = [t["tolerationSeconds"] for t in tolerations if t and t.get("tolerationSeconds") is not None]
        if not limits:
            self._planned.pop(key, None)
            return None
        since = self._planned.setdefault(key, self._since(pod, taints))
        left: float = since + max(0, min(limits)) - self._api.clock.now()
        if left > 0:
            return left
        self._evict(pod, key)
        return None

    def _since(self, pod: Manifest, taints: list[Manifest]) -> float:
        now = self._api.clock.now()
        began = max(unix(taint["timeAdded"]) if taint.get("timeAdded") else now for taint in taints)
        scheduled = condition(pod, "PodScheduled")
        return max(began, unix(scheduled["lastTransitionTime"])) if scheduled is not None else began

    def _evict(self, pod: Manifest, key: Key) -> None:
        self._planned.pop(key, None)
        logger.info("pods/%s: evicted from %s by its taints", key.name, pod["spec"]["nodeName"])
        self._say(pod, f"Marking for deletion Pod {key}")
        mark(self._api, pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        self._api.delete("Pod", key.name, key.namespace, preconditions={"uid": pod["metadata"]["uid"]})

    def _say(self, pod: Manifest, message: str) -> None:
        self._api.record_event(pod, "Normal", "TaintManagerEviction", message, component=COMPONENT)


def _taints(node: Manifest) -> list[Manifest]:
    return [taint for taint in node["spec"].get("taints") or () if taint["effect"] == "NoExecute"]


def _first(pod: Manifest, taint: Manifest) -> Manifest | None:
    return next((t for t in pod["spec"].get("tolerations") or () if tolerates(t, taint)), None)
