"""ReplicaSet: keeps as many Pods of a template as asked for, and says how many are ready."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.owners import claim, controller_of, controller_reference, controllers_named_by
from dockyard.cluster.podstate import (
    is_active,
    is_finished,
    is_ready,
    is_terminating,
    ready_since,
    seconds_until_available,
    unix,
)
from dockyard.cluster.selectors import matches
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import rfc3339

COMPONENT = "replicaset-controller"
BURST = 500
# From a smaller `spec.replicas` to the first deleted Pod a real cluster took 100-130 ms: long enough for the
# proxy to have applied the change before, so that it looks again only a second later, while the Pod ends now.
# In no time at all both changes would be one, and updates without a preStop hook would lose no request.
SHRINK_SECONDS = 0.1
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

logger = logging.getLogger(__name__)


def controller(api: Api) -> Controller:
    def owners(event: Event) -> Iterable[Key]:
        named = controllers_named_by(event, "ReplicaSet")
        if named:
            return [Key(event.namespace, name) for name in named]
        if controller_of(event.object) is not None:
            return ()
        labels = event.object["metadata"].get("labels", {})
        sets = api.list("ReplicaSet", event.namespace)
        return [key_of(rs) for rs in sets if matches(rs["spec"]["selector"], labels)]

    shrinking: dict[str, float] = {}

    def look(api: Api, rs: Manifest) -> float | None:
        return reconcile(api, rs, shrinking)

    return KindController(api, "replicaset", "ReplicaSet", look, triggers={"Pod": owners})


def reconcile(api: Api, rs: Manifest, shrinking: dict[str, float]) -> float | None:
    """Create or delete Pods until as many are active as `spec.replicas` says; report in `status`.

    `shrinking` has the monotonic time since when a ReplicaSet (by uid) has too many; losing it costs a delay.
    """
    pods = claim(api, rs, "Pod", read_only=True)
    active = [pod for pod in pods if is_active(pod)]
    problem: ApiError | None = None
    if len(active) <= rs["spec"]["replicas"]:
        shrinking.pop(rs["metadata"]["uid"], None)
    if not is_terminating(rs):
        missing = rs["spec"]["replicas"] - len(active)
        if missing > 0:
            problem = _create_pods(api, rs, min(missing, BURST))
        elif missing < 0:
            began = shrinking.setdefault(rs["metadata"]["uid"], api.clock.monotonic())
            wait = began + SHRINK_SECONDS - api.clock.monotonic()
            if wait > 0.001:
                _report(api, rs, active, _count_terminating(pods), None)
                return wait
            _delete_pods(api, rs, deletion_order(active)[: min(-missing, BURST)])
    # The Pods as they were found: those just made or deleted wake this key again and are counted then.
    again = _report(api, rs, active, _count_terminating(pods), problem)
    if problem is not None:
        raise problem
    return again


def _count_terminating(pods: list[Manifest]) -> int:
    return sum(1 for pod in pods if is_terminating(pod) and not is_finished(pod))


def _create_pods(api: Api, rs: Manifest, count: int) -> ApiError | None:
    # Slow start: 1, 2, 4, ... so that a template that is refused is refused once and not five hundred times.
    batch, left = 1, count
    while left > 0:
        for _ in range(min(batch, left)):
            try:
                pod = api.create("Pod", _pod_of(rs), namespace=rs["metadata"]["namespace"])
            except ApiError as error:
                if "being terminated" in error.message:
                    return None  # the namespace goes, and this ReplicaSet with it
                message = f"Error creating: {error.message}"
                api.record_event(rs, "Warning", "FailedCreate", message, component=COMPONENT)
                return error
            name = pod["metadata"]["name"]
            api.record_event(rs, "Normal", "SuccessfulCreate", f"Created pod: {name}", component=COMPONENT)
        left -= min(batch, left)
        batch *= 2
    return None


def _pod_of(rs: Manifest) -> Manifest:
    template = rs["spec"]["template"]
    metadata = {
        "generateName": f"{rs['metadata']['name']}-",
        "labels": dict(template["metadata"].get("labels", {})),
        "ownerReferences": [controller_reference(rs)],
    }
    if template["metadata"].get("annotations"):
        metadata["annotations"] = dict(template["metadata"]["annotations"])
    if template["metadata"].get("finalizers"):
        metadata["finalizers"] = list(template["metadata"]["finalizers"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _delete_pods(api: Api, rs: Manifest, pods: list[Manifest]) -> None:
    for pod in pods:
        name = pod["metadata"]["name"]
        api.delete("Pod", name, rs["metadata"]["namespace"])
        api.record_event(rs, "Normal", "SuccessfulDelete", f"Deleted pod: {name}", component=COMPONENT)


def deletion_order(pods: list[Manifest]) -> list[Manifest]:
    """Pods, those to go first in front: what serves least and is youngest goes first.

    The order of upstream's ActivePodsWithRanks; with one node no Pod is doubled up.
    """

    def rank(pod: Manifest) -> tuple[object, ...]:
        statuses = pod["status"].get("containerStatuses", ())
        ready = is_ready(pod)
        return (
            bool(pod["spec"].get("nodeName")),
            _PHASE_RANK.get(pod["status"].get("phase", "Pending"), 0),
            ready,
            int(pod["metadata"].get("annotations", {}).get(_DELETION_COST, 0)),
            -(ready_since(pod) or 0.0) if ready else 0.0,
            -max((status["restartCount"] for status in statuses), default=0),
            -unix(pod["metadata"]["creationTimestamp"]),
        )

    return sorted(pods, key=rank)


def _report(
    api: Api, rs: Manifest, active: list[Manifest], terminating: int, problem: ApiError | None
) -> float | None:
    now = api.clock.now()
    min_ready = rs["spec"].get("minReadySeconds", 0)
    waits = [seconds_until_available(pod, min_ready, now) for pod in active]
    wanted = rs["spec"]["template"]["metadata"].get("labels", {}).items()
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(
            1 for pod in active if wanted <= pod["metadata"].get("labels", {}).items()
        ),
        "readyReplicas": sum(1 for wait in waits if wait is not None),
        "availableReplicas": sum(1 for wait in waits if wait == 0.0),
    }
    # Counts of zero are left out, but `replicas` and `terminatingReplicas` always show.
    status: Manifest = {name: count for name, count in counts.items() if count or name == "replicas"}
    status["terminatingReplicas"] = terminating
    status["observedGeneration"] = rs["metadata"]["generation"]
    conditions = _conditions(rs, problem, now)
    if conditions:
        status["conditions"] = conditions
    if status != rs.get("status"):
        api.update_status("ReplicaSet", rs | {"status": status})
    pending = [wait for wait in waits if wait]
    return min(pending) if pending else None


def _conditions(rs: Manifest, problem: ApiError | None, now: float) -> list[Manifest]:
    kept: list[Manifest] = rs.get("status", {}).get("conditions", [])
    if problem is None:
        return [found for found in kept if found["type"] != "ReplicaFailure"]
    if any(found["type"] == "ReplicaFailure" for found in kept):
        return kept
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": rfc3339(now),
        "reason": "FailedCreate",
        "message": problem.message,
    }
    return [*kept, failure]
