"""StatefulSet: Pods with names of their own, made and ended in order, each with claims that outlive it."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster import history
from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.owners import claim, controller_of, controllers_named_by
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.selectors import matches
from dockyard.cluster.statefulset import progress
from dockyard.cluster.statefulset.identity import ordinal, revision_of
from dockyard.cluster.statefulset.replicas import Revisions, step
from dockyard.cluster.store import Event, Manifest

HASH_LABEL = "controller.kubernetes.io/hash"


def controller(api: Api) -> Controller:
    def owners(event: Event) -> Iterable[Key]:
        named = controllers_named_by(event, "StatefulSet")
        if named:
            return [Key(event.namespace, name) for name in named]
        if controller_of(event.object) is not None:
            return ()
        labels = event.object["metadata"].get("labels", {})
        sets = api.list("StatefulSet", event.namespace)
        return [key_of(s) for s in sets if matches(s["spec"]["selector"], labels)]

    return KindController(api, "statefulset", "StatefulSet", reconcile, triggers={"Pod": owners})


def reconcile(api: Api, statefulset: Manifest) -> float | None:
    """One step towards the replicas and the template of `spec`; `status` says what was found before it."""
    found = claim(api, statefulset, "Pod", member=lambda pod: ordinal(statefulset, pod) is not None)
    pods = {number: pod for pod in found if (number := ordinal(statefulset, pod)) is not None}
    known = history.revisions_of(api, statefulset)
    if is_terminating(statefulset):
        return None
    before = statefulset.get("status", {})
    update, collisions = history.ensure(api, statefulset, known, HASH_LABEL, before.get("collisionCount", 0))
    current = next((r for r in known if r["metadata"]["name"] == before.get("currentRevision")), update)
    names = current["metadata"]["name"], update["metadata"]["name"]
    counts = progress.counts(api, statefulset, list(pods.values()), *names)

    def count_deleted(pod: Manifest) -> None:
        if revision_of(pod) == names[0]:
            counts["currentReplicas"] -= 1

    problem: ApiError | None = None
    try:
        step(api, statefulset, pods, Revisions(current, update), count_deleted)
    except ApiError as error:
        problem = error
    progress.report(api, statefulset, counts, *names, collisions)
    live = {*names, *(revision_of(pod) for pod in pods.values())}
    history.truncate(api, statefulset, history.revisions_of(api, statefulset), live)
    if problem is not None:
        raise problem
    return progress.until_available(api, statefulset, list(pods.values()))
