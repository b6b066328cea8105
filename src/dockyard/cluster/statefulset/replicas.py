"""One step with a StatefulSet's Pods: which to create, which to wait for, which to delete, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dockyard.cluster import history
from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, NotFound
from dockyard.cluster.podstate import is_finished, is_terminating
from dockyard.cluster.statefulset import claims
from dockyard.cluster.statefulset.claims import COMPONENT
from dockyard.cluster.statefulset.identity import new_pod, ordinals, revision_of, with_identity
from dockyard.cluster.statefulset.progress import is_available, is_running_and_ready
from dockyard.cluster.store import Manifest


class Revisions(NamedTuple):
    """The revision that the Pods come from, and the one they go to; the same when no update is under way."""

    current: Manifest
    update: Manifest

    def for_new(self, statefulset: Manifest, number: int) -> Manifest:
        """Of which revision a Pod with this ordinal is made now."""
        strategy = statefulset["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return self.update
        first = ordinals(statefulset).start + (strategy.get("rollingUpdate") or {}).get("partition", 0)
        return self.current if number < first else self.update


def step(
    api: Api,
    statefulset: Manifest,
    pods: dict[int, Manifest],
    revisions: Revisions,
    count_deleted: Callable[[Manifest], None],
) -> None:
    """Bring the Pods one step nearer, in upstream's order: create, then scale down, then update.

    `pods` are those that were found, by ordinal. `count_deleted` is called for a Pod that an update deletes:
    it no longer counts as current at once. Raises what a create, an update or a delete raises.
    """
    if not _settle_wanted(api, statefulset, pods, revisions):
        return
    if not _scale_down(api, statefulset, pods):
        return
    if statefulset["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        _roll(api, statefulset, pods, revisions, count_deleted)


def _ordered(statefulset: Manifest) -> bool:
    return bool(statefulset["spec"]["podManagementPolicy"] == "OrderedReady")


def _settle_wanted(api: Api, statefulset: Manifest, pods: dict[int, Manifest], revisions: Revisions) -> bool:
    """Whether all Pods that should be there are; in order, each waits for the one before."""
    for number in ordinals(statefulset):
        pod = pods.get(number)
        if pod is None:
            if not _create(api, statefulset, number, revisions) or _ordered(statefulset):
                return False
            continue
        if is_finished(pod):
            _replace_finished(api, statefulset, pod)
            return False
        if pod["status"].get("phase") == "Pending" and not is_terminating(pod):
            claims.ensure(api, statefulset, number, pod["metadata"]["name"])
        if _ordered(statefulset) and (is_terminating(pod) or not is_available(api, statefulset, pod)):
            return False
        _keep_invariants(api, statefulset, number, pod)
    return True


def _create(api: Api, statefulset: Manifest, number: int, revisions: Revisions) -> bool:
    revision = revisions.for_new(statefulset, number)
    pod = new_pod(statefulset, history.template_of(revision), revision["metadata"]["name"], number)
    name, namespace = pod["metadata"]["name"], statefulset["metadata"]["namespace"]
    if claims.are_stale(api, statefulset, number, name):
        return False
    try:
        claims.ensure(api, statefulset, number, name)
        created = api.create("Pod", pod, namespace=namespace)
    except ApiError as error:
        _tell(api, statefulset, "Create", name, error)
        raise
    _tell(api, statefulset, "Create", name)
    claims.apply_retention(api, statefulset, number, created)
    return True


def _replace_finished(api: Api, statefulset: Manifest, pod: Manifest) -> None:
    """Delete a Pod whose containers have ended for good; the next step makes it anew under its name."""
    if is_terminating(pod):
        return
    place = f"{statefulset['metadata']['namespace']}/{statefulset['metadata']['name']}"
    name = pod["metadata"]["name"]
    failed = pod["status"]["phase"] == "Failed"
    kind, reason = ("Warning", "RecreatingFailedPod") if failed else ("Normal", "RecreatingTerminatedPod")
    state = "failed" if failed else "terminated"
    message = f"StatefulSet {place} is recreating {state} Pod {name}"
    api.record_event(statefulset, kind, reason, message, component=COMPONENT)
    _delete(api, statefulset, pod)


def _keep_invariants(api: Api, statefulset: Manifest, number: int, pod: Manifest) -> None:
    labelled = with_identity(pod, number)
    if labelled is not pod:
        api.update("Pod", labelled)
        _tell(api, statefulset, "Update", pod["metadata"]["name"])
    claims.apply_retention(api, statefulset, number, pod)


def _scale_down(api: Api, statefulset: Manifest, pods: dict[int, Manifest]) -> bool:
    """Whether no Pod is left to scale away; in order, the last one goes first and alone."""
    wanted = ordinals(statefulset)
    condemned = sorted((number for number in pods if number not in wanted), reverse=True)
    for number in condemned:
        claims.apply_retention(api, statefulset, number, pods[number])
    everyone = [pods[number] for number in [*sorted(n for n in pods if n in wanted), *reversed(condemned)]]
    first_unhealthy = next((pod for pod in everyone if not _is_healthy(pod)), None)
    for number in condemned:
        pod = pods[number]
        if is_terminating(pod):
            if _ordered(statefulset):
                return False
            continue
        ready = is_running_and_ready(pod) and is_available(api, statefulset, pod)
        if _ordered(statefulset) and not ready and pod is not first_unhealthy:
            return False
        _delete(api, statefulset, pod)
        if _ordered(statefulset):
            return False
    return True


def _is_healthy(pod: Manifest) -> bool:
    return is_running_and_ready(pod) and not is_terminating(pod)


def _roll(
    api: Api,
    statefulset: Manifest,
    pods: dict[int, Manifest],
    revisions: Revisions,
    count_deleted: Callable[[Manifest], None],
) -> None:
    """Delete the last Pod of another revision, when all after it are healthy.

    One at a time: `rollingUpdate.maxUnavailable` is behind a gate that is off unless somebody opens it.
    """
    wanted, target = ordinals(statefulset), revisions.update["metadata"]["name"]
    partition = (statefulset["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
    for number in reversed(wanted):
        if number < wanted.start + partition or number not in pods:
            return
        pod = pods[number]
        if revision_of(pod) != target and not is_terminating(pod):
            _delete(api, statefulset, pod)
            count_deleted(pod)
            return
        if not _is_healthy(pod):
            return


def _delete(api: Api, statefulset: Manifest, pod: Manifest) -> None:
    metadata = pod["metadata"]
    try:
        api.delete("Pod", metadata["name"], metadata["namespace"], preconditions={"uid": metadata["uid"]})
    except NotFound:
        return
    except ApiError as error:
        _tell(api, statefulset, "Delete", metadata["name"], error)
        raise
    _tell(api, statefulset, "Delete", metadata["name"])


def _tell(api: Api, statefulset: Manifest, verb: str, pod: str, error: ApiError | None = None) -> None:
    subject = f"{verb} Pod {pod} in StatefulSet {statefulset['metadata']['name']}"
    if error is None:
        api.record_event(
            statefulset, "Normal", f"Successful{verb}", f"{subject} successful", component=COMPONENT
        )
    else:
        message = f"{subject} failed error: {error.message}"
        api.record_event(statefulset, "Warning", f"Failed{verb}", message, component=COMPONENT)
