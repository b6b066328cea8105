"""Node lifecycle: turns a node's conditions, and a cordon, into the taints that the scheduler goes by."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, KindController
from dockyard.cluster.podstate import condition
from dockyard.cluster.store import Manifest
from dockyard.wire.clock import rfc3339

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_OURS = (UNSCHEDULABLE, NOT_READY, UNREACHABLE)


def controller(api: Api) -> Controller:
    return KindController(api, "nodelifecycle", "Node", reconcile)


def reconcile(api: Api, node: Manifest) -> None:
    """Keep the NoSchedule taints in step with `spec.unschedulable` and the Ready condition.

    Differs: the node lives in this process, so it is never seen as unreachable and no Pod is evicted from it.
    """
    wanted = []
    if node["spec"].get("unschedulable"):
        wanted.append(UNSCHEDULABLE)
    ready = condition(node, "Ready")
    if ready is None or ready["status"] == "False":
        wanted.append(NOT_READY)
    elif ready["status"] == "Unknown":
        wanted.append(UNREACHABLE)
    before = node["spec"].get("taints") or []
    kept = [t for t in before if t["effect"] != "NoSchedule" or t["key"] not in _OURS or t["key"] in wanted]
    present = {taint["key"] for taint in kept if taint["effect"] == "NoSchedule"}
    now = rfc3339(api.clock.now())
    added = [{"key": k, "effect": "NoSchedule", "timeAdded": now} for k in wanted if k not in present]
    if kept + added == before:
        return
    node["spec"]["taints"] = kept + added
    if not node["spec"]["taints"]:
        del node["spec"]["taints"]
    api.update("Node", node)
