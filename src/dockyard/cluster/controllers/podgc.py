"""Pod GC: removes Pods that nobody else would ever end, because their node is gone for good."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.disruptiontarget import mark
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.podstate import is_finished, is_terminating, is_true, unix
from dockyard.cluster.store import Event, Manifest

# How long a node may be away before its Pods count as orphans, as upstream's quarantine.
QUARANTINE_SECONDS = 40.0
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def controller(api: Api) -> Controller:
    def on_node(event: Event) -> Iterable[Key]:
        if event.type == "DELETED" or _is_out_of_service(event.object):
            return [key_of(pod) for pod in api.list("Pod", fields=f"spec.nodeName={event.name}")]
        return ()

    return KindController(api, "podgc", "Pod", reconcile, triggers={"Node": on_node})


def reconcile(api: Api, pod: Manifest) -> float | None:
    """Delete the Pod at once when its node has been missing for a while, or is out of service.

    Differs: finished Pods are kept; upstream removes the oldest beyond 12,500.
    """
    name = pod["spec"].get("nodeName")
    if not name:
        return None
    node = api.find("Node", name)
    if node is None:
        left = unix(pod["metadata"]["creationTimestamp"]) + QUARANTINE_SECONDS - api.clock.now()
        if left > 0:
            return left
        _remove(api, pod, "PodGC: node no longer exists")
    elif is_terminating(pod) and not is_true(node, "Ready") and _is_out_of_service(node):
        _remove(api, pod, "")
    return None


def _is_out_of_service(node: Manifest) -> bool:
    return any(taint["key"] == OUT_OF_SERVICE for taint in node["spec"].get("taints") or ())


def _remove(api: Api, pod: Manifest, why: str) -> None:
    metadata = pod["metadata"]
    if why and not is_finished(pod):
        mark(api, pod, "DeletionByPodGC", why, phase="Failed")
    api.delete(
        "Pod",
        metadata["name"],
        metadata["namespace"],
        grace_period_seconds=0,
        preconditions={"uid": metadata["uid"]},
    )
