"""Pod GC: removes Pods of a node that does not exist, which nobody else would ever end."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, KindController
from dockyard.cluster.podstate import unix
from dockyard.cluster.store import Manifest

# How long a node may be away before its Pods count as orphans, as upstream's quarantine.
QUARANTINE_SECONDS = 40.0


def controller(api: Api) -> Controller:
    return KindController(api, "podgc", "Pod", reconcile)


def reconcile(api: Api, pod: Manifest) -> float | None:
    """Delete the Pod at once when its node has been missing for a while.

    Differs: finished Pods are kept; upstream removes the oldest beyond 12,500.
    """
    node = pod["spec"].get("nodeName")
    if not node or api.find("Node", node) is not None:
        return None
    left = unix(pod["metadata"]["creationTimestamp"]) + QUARANTINE_SECONDS - api.clock.now()
    if left > 0:
        return left
    metadata = pod["metadata"]
    precondition = {"uid": metadata["uid"]}
    api.delete(
        "Pod", metadata["name"], metadata["namespace"], grace_period_seconds=0, preconditions=precondition
    )
    return None
