"""Disruption: says in each PodDisruptionBudget how many Pods may be evicted now."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.disruption.condition import with_condition
from dockyard.cluster.disruption.healthy import ScaleUnknownError, disrupted, expected, healthy
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.selectors import matches
from dockyard.cluster.store import Event, Manifest

COMPONENT = "controllermanager"
_RETRY_SECONDS = 5.0


def controller(api: Api) -> Controller:
    def budgets_of(event: Event) -> Iterable[Key]:
        seen = [obj["metadata"].get("labels") for obj in (event.object, event.old) if obj is not None]
        return [
            key_of(budget)
            for budget in api.list("PodDisruptionBudget", event.namespace)
            if any(matches(budget["spec"].get("selector"), labels) for labels in seen)
        ]

    def scaled(event: Event) -> Iterable[Key]:
        old, new = event.old, event.object
        if old is not None and old["spec"].get("replicas") == new["spec"].get("replicas"):
            return ()
        return [Key(r.namespace, r.name) for r in api.store.scan("PodDisruptionBudget", event.namespace)]

    triggers = {"Pod": budgets_of, "Deployment": scaled, "ReplicaSet": scaled, "StatefulSet": scaled}
    return KindController(api, "disruption", "PodDisruptionBudget", reconcile, triggers=triggers)


def reconcile(api: Api, budget: Manifest) -> float | None:
    """Count the Pods that are well and report how many of them may go."""
    metadata = budget["metadata"]
    selector = budget["spec"].get("selector")
    pods = [
        pod
        for pod in api.list("Pod", metadata["namespace"])
        if matches(selector, pod["metadata"].get("labels"))
    ]
    if not pods:
        api.record_event(budget, "Normal", "NoPods", "No matching pods found", component=COMPONENT)
    now = api.clock.now()
    going, again = disrupted(budget, pods, now)
    failure = ""
    counts = {
        "disruptionsAllowed": 0,
        "currentHealthy": budget["status"]["currentHealthy"],
        "desiredHealthy": budget["status"]["desiredHealthy"],
        "expectedPods": budget["status"]["expectedPods"],
    }
    try:
        count, needed = expected(api, budget, pods)
    except ScaleUnknownError as error:
        failure, again = str(error), _RETRY_SECONDS
        message = f"Failed to calculate the number of expected pods: {failure}"
        reason = "CalculateExpectedPodCountFailed"
        api.record_event(budget, "Warning", reason, message, component=COMPONENT)
    else:
        well = healthy(pods, going)
        allowed = max(0, well - needed) if count > 0 else 0
        counts = {
            "disruptionsAllowed": allowed,
            "currentHealthy": well,
            "desiredHealthy": needed,
            "expectedPods": count,
        }
    status: Manifest = {"observedGeneration": metadata["generation"], **counts}
    if going:
        status["disruptedPods"] = going
    status["conditions"] = budget["status"].get("conditions", [])
    status = with_condition(budget, status, api.now(), failure)
    if status != budget["status"]:
        api.update_status("PodDisruptionBudget", budget | {"status": status})
    return again
