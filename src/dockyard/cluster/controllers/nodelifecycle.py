"""Node lifecycle: notices a node that has fallen silent, and turns conditions and cordons into taints."""

from __future__ import annotations

import math
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.podstate import condition, is_finished, is_true, unix
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import rfc3339

COMPONENT = "node-controller"
# kube-controller-manager's --node-monitor-grace-period and --node-startup-grace-period.
GRACE_SECONDS = 50.0
STARTUP_SECONDS = 60.0
# Differs: an annotation on the Node may give another number of seconds for that node; upstream has one
# grace period for all, a flag of the controller manager.
GRACE_ANNOTATION = "dockyard.course/node-monitor-grace-seconds"
LEASES = "kube-node-lease"

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OURS = {
    "NoSchedule": (UNSCHEDULABLE, NOT_READY, UNREACHABLE, *_PRESSURE.values()),
    "NoExecute": (NOT_READY, UNREACHABLE),
}
_POSTED = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")


def controller(api: Api) -> Controller:
    return _NodeLifecycle(api, "nodelifecycle", "Node", reconcile)


class _NodeLifecycle(KindController):
    """Looks at all nodes when one comes or goes: whether anything is evicted depends on the others."""

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind != "Node":
            return ()
        before, after = event.old, event.object
        if (
            before is not None
            and event.type != "DELETED"
            and is_true(before, "Ready") == is_true(after, "Ready")
        ):
            return (Key("", event.name),)
        return [key_of(node) for node in self._api.list("Node")]


def reconcile(api: Api, node: Manifest) -> float | None:
    """Judge the node's silence, taint it accordingly, and report its Pods as not ready when it is lost."""
    left = _seconds_left(api, node)
    if left is not None and left <= 0:
        node, left = _declare_unknown(api, node), None
    _taint(api, node)
    ready = condition(node, "Ready")
    if ready is not None and ready["status"] != "True" and ready["reason"] != "NodeStatusNeverUpdated":
        _mark_pods(api, node["metadata"]["name"])
    return left


def _seconds_left(api: Api, node: Manifest) -> float | None:
    """How long the node may still be silent before it counts as lost; None when it does already."""
    ready = condition(node, "Ready")
    if ready is not None and ready["status"] == "Unknown":
        return None
    metadata = node["metadata"]
    beats = [unix(metadata["creationTimestamp"])]
    grace = STARTUP_SECONDS
    if ready is not None:
        grace = _grace(node)
        beats.append(unix(ready.get("lastHeartbeatTime") or metadata["creationTimestamp"]))
    lease = api.find("Lease", metadata["name"], LEASES)
    if lease is not None and lease["spec"].get("renewTime"):
        beats.append(unix(lease["spec"]["renewTime"]))
    return max(beats) + grace - api.clock.now()


def _grace(node: Manifest) -> float:
    try:
        seconds = float((node["metadata"].get("annotations") or {})[GRACE_ANNOTATION])
    except (KeyError, ValueError):
        return GRACE_SECONDS
    return seconds if 0 <= seconds < math.inf else GRACE_SECONDS


def _declare_unknown(api: Api, node: Manifest) -> Manifest:
    """Nobody knows how the node is: all that a kubelet posts becomes Unknown."""
    now, was_ready = api.now(), is_true(node, "Ready")
    status = dict(node.get("status") or {})
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    for kind in _POSTED:
        known = conditions.get(kind)
        if known is None:
            unknown = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
            heartbeat = node["metadata"]["creationTimestamp"]
        else:
            unknown = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
            heartbeat = known.get("lastHeartbeatTime")
        conditions[kind] = {
            "type": kind,
            "status": "Unknown",
            "lastHeartbeatTime": heartbeat,
            "lastTransitionTime": now,
            "reason": unknown[0],
            "message": unknown[1],
        }
    if was_ready:
        message = f"Node {node['metadata']['name']} status is now: NodeNotReady"
        api.record_event(node, "Normal", "NodeNotReady", message, component=COMPONENT)
    return api.update_status("Node", node | {"status": {**status, "conditions": list(conditions.values())}})


def _taint(api: Api, node: Manifest) -> None:
    """Keep our taints in step with `spec.unschedulable` and the conditions.

    While no node at all is ready nothing is evicted: it is rather the network, or we, that failed.
    """
    wanted: dict[str, list[str]] = {"NoSchedule": [], "NoExecute": []}
    if node["spec"].get("unschedulable"):
        wanted["NoSchedule"].append(UNSCHEDULABLE)
    wanted["NoSchedule"] += [key for kind, key in _PRESSURE.items() if is_true(node, kind)]
    ready = condition(node, "Ready")
    lost = NOT_READY if ready is None or ready["status"] == "False" else UNREACHABLE
    if ready is None or ready["status"] != "True":
        wanted["NoSchedule"].append(lost)
        if ready is not None and any(is_true(other, "Ready") for other in api.list("Node")):
            wanted["NoExecute"].append(lost)
    before = node["spec"].get("taints") or []
    kept = [
        taint
        for taint in before
        if taint["key"] not in _OURS.get(taint["effect"], ()) or taint["key"] in wanted[taint["effect"]]
    ]
    present = {(taint["effect"], taint["key"]) for taint in kept}
    now = rfc3339(api.clock.now())
    added = [
        {"key": key, "effect": effect, "timeAdded": now}
        for effect, keys in wanted.items()
        for key in keys
        if (effect, key) not in present
    ]
    if kept + added == before:
        return
    node["spec"]["taints"] = kept + added
    if not node["spec"]["taints"]:
        del node["spec"]["taints"]
    api.update("Node", node)


def _mark_pods(api: Api, node: str) -> None:
    """No Pod of a lost node counts as ready: what leads to it, such as endpoints, has to go."""
    for pod in api.list("Pod", fields=f"spec.nodeName={node}"):
        if is_finished(pod) or not is_true(pod, "Ready"):
            continue
        for found in pod["status"]["conditions"]:
            if found["type"] == "Ready":
                found |= {"status": "False", "lastTransitionTime": api.now()}
        api.update_status("Pod", pod)
        api.record_event(pod, "Warning", "NodeNotReady", "Node is not ready", component=COMPONENT)
