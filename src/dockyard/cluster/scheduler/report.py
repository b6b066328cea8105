"""What the scheduler tells: the Event and the condition of a Pod that fits nowhere, in upstream's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.podstate import condition
from dockyard.cluster.scheduler.filters import Refusal
from dockyard.cluster.store import Manifest

COMPONENT = "default-scheduler"


def listed(reasons: Iterable[str]) -> str:
    """`2 Insufficient cpu, 1 Too many pods`, sorted as text."""
    return ", ".join(sorted(f"{number} {reason}" for reason, number in Counter(reasons).items()))


def fit_error(refusals: Iterable[Refusal], preemption: str | None) -> str:
    """Why no node was found; `preemption` is why making room doesn't help, None when room is being made."""
    found = list(refusals)
    if not found:
        return "no nodes available to schedule pods"
    reasons = listed(reason for refusal in found for reason in refusal.reasons)
    text = f"0/{len(found)} nodes are available: {reasons}."
    if preemption is None:
        return text
    return f"{text} no new claims to deallocate, preemption: {preemption}"


def report_failure(api: Api, pod: Manifest, message: str, nominated: str | None = None) -> None:
    """Tell once why the Pod waits, and where room is being made for it."""
    metadata = pod["metadata"]
    current = api.get("Pod", metadata["name"], metadata["namespace"])
    before = condition(current, "PodScheduled")
    known = before is not None and before["status"] == "False"
    status = dict(current["status"])
    if nominated is not None:
        status["nominatedNodeName"] = nominated
    # Differs: why a Pod fits nowhere is told once in the same words; upstream tells it at each attempt.
    if known and before is not None and before.get("message") == message and status == current["status"]:
        return
    api.record_event(current, "Warning", "FailedScheduling", message, component=COMPONENT)
    scheduled = {
        "type": "PodScheduled",
        "observedGeneration": current["metadata"]["generation"],
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if known and before is not None else api.now(),
        "reason": "Unschedulable",
        "message": message,
    }
    kept = [c for c in status.get("conditions") or () if c["type"] != "PodScheduled"]
    api.update_status("Pod", current | {"status": {**status, "conditions": [*kept, scheduled]}})
