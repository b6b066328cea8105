"""The binding subresource: a Pod gets its node, once."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.errors import Conflict

Manifest = dict[str, Any]


def assign(pod: Manifest, node: str, now: str) -> None:
    """Give the Pod its node and the condition that says so. Raises Conflict for one that has one, or ends."""
    name = pod["metadata"]["name"]
    if pod["spec"].get("nodeName"):
        raise _refused(name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
    if "deletionTimestamp" in pod["metadata"]:
        raise _refused(name, f"pod {name} is being deleted")
    pod["spec"]["nodeName"] = node
    pod["status"].pop("nominatedNodeName", None)  # what was made free for it, it has now
    conditions = pod["status"].setdefault("conditions", [])
    conditions[:] = [condition for condition in conditions if condition["type"] != "PodScheduled"]
    conditions.append(
        {
            "type": "PodScheduled",
            "observedGeneration": pod["metadata"]["generation"],
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": now,
        }
    )


def _refused(name: str, why: str) -> Conflict:
    return Conflict(f'Operation cannot be fulfilled on pods/binding "{name}": {why}')
