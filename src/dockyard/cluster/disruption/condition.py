"""The condition DisruptionAllowed of a PodDisruptionBudget."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

ALLOWED = "DisruptionAllowed"


def with_condition(budget: Manifest, status: Manifest, now: str, failure: str = "") -> Manifest:
    """The status with its condition brought in line with `disruptionsAllowed`, or with why it is unknown."""
    if failure:
        value, reason = "False", "SyncFailed"
    elif status["disruptionsAllowed"] > 0:
        value, reason = "True", "SufficientPods"
    else:
        value, reason = "False", "InsufficientPods"
    before = next((c for c in status.get("conditions", ()) if c["type"] == ALLOWED), None)
    since = before["lastTransitionTime"] if before is not None and before["status"] == value else now
    condition = {
        "type": ALLOWED,
        "status": value,
        "observedGeneration": budget["metadata"]["generation"],
        "lastTransitionTime": since,
        "reason": reason,
        "message": failure,
    }
    others = [c for c in status.get("conditions", ()) if c["type"] != ALLOWED]
    return {**status, "conditions": [*others, condition]}
