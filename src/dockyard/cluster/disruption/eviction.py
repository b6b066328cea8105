"""Eviction: deletes a Pod in order, if its disruption budget allows that (registry/core/pod/storage)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.disruption.condition import ALLOWED, with_condition
from dockyard.cluster.errors import ApiError, Forbidden, TooManyRequests
from dockyard.cluster.podstate import is_ready, is_terminating
from dockyard.cluster.selectors import matches

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

_REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_SECONDS = 10


def evict(
    api: Api, name: str, namespace: str | None, options: DeleteOptions, *, dry_run: bool = False
) -> None:
    """Mark the Pod as a target of a disruption, count it in its budget, and delete it.

    Raises NotFound, TooManyRequests while the budget is used up, InternalError for a Pod with two budgets.
    """
    pod = api.get("Pod", name, namespace)
    if not _is_beyond_budgets(pod):
        budgets = [
            budget
            for budget in api.list("PodDisruptionBudget", pod["metadata"]["namespace"])
            if matches(budget["spec"].get("selector"), pod["metadata"].get("labels"))
        ]
        if len(budgets) > 1:
            raise _TwoBudgets
        if budgets and _counts(budgets[0], pod):
            _take(api, budgets[0], pod, dry_run=dry_run)
    if not dry_run and not is_terminating(pod):
        _mark(api, pod)
    api.delete(
        "Pod",
        name,
        namespace,
        grace_period_seconds=options.grace_period_seconds,
        propagation_policy=options.propagation_policy,
        preconditions={"uid": options.uid} if options.uid else None,
        dry_run=dry_run,
    )


class _TwoBudgets(ApiError):
    """Upstream answers 500 with this text and neither reason nor details."""

    code, reason = 500, ""

    def __init__(self) -> None:
        super().__init__(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )


def _is_beyond_budgets(pod: Manifest) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed", "Pending") or is_terminating(pod)


def _counts(budget: Manifest, pod: Manifest) -> bool:
    """Whether evicting the Pod costs the budget something; unhealthy Pods may be free."""
    if is_ready(pod):
        return True
    policy = budget["spec"].get("unhealthyPodEvictionPolicy") or "IfHealthyBudget"
    status = budget["status"]
    enough = status["currentHealthy"] >= status["desiredHealthy"] > 0
    return not (policy == "AlwaysAllow" or enough)


def _take(api: Api, budget: Manifest, pod: Manifest, *, dry_run: bool) -> None:
    status, name = budget["status"], budget["metadata"]["name"]
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        why = f"The disruption budget {name} is still being processed by the server."
        raise _too_many(why, _RETRY_SECONDS)
    if status["disruptionsAllowed"] < 0:
        raise Forbidden(f'pods "{pod["metadata"]["name"]}" is forbidden: pdb disruptions allowed is negative')
    if status["disruptionsAllowed"] == 0:
        why = (
            f"The disruption budget {name} needs {status['desiredHealthy']} healthy pods and has "
            f"{status['currentHealthy']} currently"
        )
        condition = next((c for c in status.get("conditions", ()) if c["type"] == ALLOWED), None)
        if condition is not None and condition["reason"] == "SyncFailed":
            problem = condition["message"]
            why = (
                f"The disruption budget {name} does not allow evicting pods currently because it failed "
                f"sync: {problem}"
            )
        raise _too_many(why)
    if dry_run:
        return
    taken = {**status.get("disruptedPods", {}), pod["metadata"]["name"]: api.now()}
    left = status["disruptionsAllowed"] - 1
    status = {**status, "disruptedPods": taken, "disruptionsAllowed": left}
    if left == 0:
        status = with_condition(budget, status, api.now())
    api.update_status("PodDisruptionBudget", budget | {"status": status})


def _too_many(cause: str, retry: int = 0) -> TooManyRequests:
    details: Manifest = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if retry:
        details["retryAfterSeconds"] = retry
    return TooManyRequests(_REFUSAL, details)


def _mark(api: Api, pod: Manifest) -> None:
    conditions = [c for c in pod["status"].get("conditions", ()) if c["type"] != "DisruptionTarget"]
    target = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": api.now(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    api.update_status("Pod", pod | {"status": {**pod["status"], "conditions": [*conditions, target]}})
