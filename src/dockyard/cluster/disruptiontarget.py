"""The condition that tells why a Pod was ended by the cluster: preempted, evicted, or lost with its node."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.store import Manifest


def mark(api: Api, pod: Manifest, reason: str, message: str, *, phase: str | None = None) -> Manifest:
    """Set DisruptionTarget on the Pod, as it is stored now, and its phase when given; the Pod as stored then.

    Raises NotFound.
    """
    metadata = pod["metadata"]
    current = api.get("Pod", metadata["name"], metadata["namespace"])
    conditions = [c for c in current["status"].get("conditions") or () if c["type"] != "DisruptionTarget"]
    conditions.append(
        {
            "type": "DisruptionTarget",
            "observedGeneration": current["metadata"]["generation"],
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": api.now(),
            "reason": reason,
            "message": message,
        }
    )
    status = {**current["status"], "conditions": conditions} | ({"phase": phase} if phase else {})
    return api.update_status("Pod", current | {"status": status})
