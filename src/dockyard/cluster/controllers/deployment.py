"""Deployment: rolls from one ReplicaSet to the next, and says how far it is."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.owners import claim, controller_of, controllers_named_by
from dockyard.cluster.podstate import is_finished, is_terminating
from dockyard.cluster.rollout import progress, revisions
from dockyard.cluster.rollout.scaling import (
    DESIRED,
    is_saturated,
    new_replica_set_size,
    proportional_sizes,
    resolve,
    scale_to,
)
from dockyard.cluster.selectors import matches
from dockyard.cluster.store import Event, Manifest


def controller(api: Api) -> Controller:
    def owners(event: Event) -> Iterable[Key]:
        named = controllers_named_by(event, "Deployment")
        if named:
            return [Key(event.namespace, name) for name in named]
        if controller_of(event.object) is not None:
            return ()
        labels = event.object["metadata"].get("labels", {})
        deployments = api.list("Deployment", event.namespace)
        return [key_of(d) for d in deployments if matches(d["spec"]["selector"], labels)]

    return KindController(api, "deployment", "Deployment", reconcile, triggers={"ReplicaSet": owners})


def reconcile(api: Api, deployment: Manifest) -> float | None:
    """One step towards the template and the replicas of `spec`; the order of steps is upstream's."""
    sets = [
        rs
        for rs in claim(api, deployment, "ReplicaSet")
        if not is_terminating(rs) or is_terminating(deployment)
    ]
    if is_terminating(deployment):
        new, old = revisions.split(deployment, sets)
        progress.report_counts(api, deployment, new, old)
        return None
    deployment = progress.note_pause(api, deployment)
    if deployment["spec"].get("paused"):
        return _scale_only(api, deployment, sets)
    if any(rs["spec"]["replicas"] > 0 and _desired(rs) != deployment["spec"]["replicas"] for rs in sets):
        return _scale_only(api, deployment, sets)
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        return _recreate(api, deployment, sets)
    return _roll(api, deployment, sets)


def _desired(rs: Manifest) -> int | None:
    text = rs["metadata"].get("annotations", {}).get(DESIRED)
    return int(text) if text is not None else None


def _roll(api: Api, deployment: Manifest, sets: list[Manifest]) -> float | None:
    deployment, new, old = revisions.ensure(api, deployment, sets)
    new_size = new_replica_set_size(deployment, new, [new, *old])
    if new["spec"]["replicas"] != new_size:
        new = scale_to(api, deployment, new, new_size)
    else:
        new = scale_to(api, deployment, new, new["spec"]["replicas"])  # the annotations may be behind
        shrunk = _scale_down_old(api, deployment, new, old)
        if shrunk is None and progress.is_complete(deployment, deployment.get("status", {})):
            revisions.clean_up(api, deployment, old)
        old = shrunk or old
    return progress.report(api, deployment, new, old)


def _scale_down_old(
    api: Api, deployment: Manifest, new: Manifest, old: list[Manifest]
) -> list[Manifest] | None:
    """The old ReplicaSets after making them smaller, or None when they stay as they are."""
    running = [rs for rs in old if rs["spec"]["replicas"] > 0]
    if not running:
        return None
    wanted = deployment["spec"]["replicas"]
    unavailable = resolve(deployment)[1]
    total = sum(rs["spec"]["replicas"] for rs in [new, *old])
    new_not_available = new["spec"]["replicas"] - new.get("status", {}).get("availableReplicas", 0)
    budget = total - (wanted - unavailable) - new_not_available
    if budget <= 0:
        return None
    sizes = {rs["metadata"]["name"]: rs["spec"]["replicas"] for rs in running}
    running.sort(key=lambda rs: (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]))
    available = {rs["metadata"]["name"]: rs.get("status", {}).get("availableReplicas", 0) for rs in running}
    # First the replicas that serve nobody: they cost no availability.
    for rs in running:
        name = rs["metadata"]["name"]
        dead = min(budget, max(0, sizes[name] - available[name]))
        sizes[name] -= dead
        budget -= dead
    # Then the healthy ones, as far as enough others are available.
    spare = (
        sum(available.values()) + new.get("status", {}).get("availableReplicas", 0) - (wanted - unavailable)
    )
    for rs in running:
        name = rs["metadata"]["name"]
        fewer = min(max(0, spare), sizes[name])
        sizes[name] -= fewer
        spare -= fewer
    if all(sizes[rs["metadata"]["name"]] == rs["spec"]["replicas"] for rs in running):
        return None
    return [scale_to(api, deployment, rs, sizes.get(rs["metadata"]["name"], 0)) for rs in old]


def _recreate(api: Api, deployment: Manifest, sets: list[Manifest]) -> float | None:
    found, old = revisions.split(deployment, sets)
    if found is not None:
        deployment, found, old = revisions.ensure(api, deployment, sets)
    if any(rs["spec"]["replicas"] > 0 for rs in old):
        old = [scale_to(api, deployment, rs, 0) for rs in old]
        return progress.report(api, deployment, found, old)
    if _has_running_pods(api, old):
        return progress.report(api, deployment, found, old)
    deployment, new, old = revisions.ensure(api, deployment, sets)
    new = scale_to(api, deployment, new, deployment["spec"]["replicas"])
    if progress.is_complete(deployment, deployment.get("status", {})):
        revisions.clean_up(api, deployment, old)
    return progress.report(api, deployment, new, old)


def _has_running_pods(api: Api, old: list[Manifest]) -> bool:
    if any(rs.get("status", {}).get("replicas", 0) for rs in old):
        return True
    uids = {rs["metadata"]["uid"] for rs in old}
    namespaces = {rs["metadata"]["namespace"] for rs in old}
    pods = (pod for namespace in namespaces for pod in api.list("Pod", namespace))
    return any(
        not is_finished(pod) and (reference := controller_of(pod)) is not None and reference["uid"] in uids
        for pod in pods
    )


def _scale_only(api: Api, deployment: Manifest, sets: list[Manifest]) -> float | None:
    """Follow a change of `replicas` without rolling on; also what a paused Deployment does."""
    found, old = revisions.split(deployment, sets)
    if found is not None:
        deployment, found, old = revisions.ensure(api, deployment, sets)
    everything = [rs for rs in [found, *old] if rs is not None]
    sizes = _scaled_sizes(deployment, found, everything)
    scaled = [
        scale_to(api, deployment, rs, sizes.get(rs["metadata"]["name"], rs["spec"]["replicas"]))
        if rs["spec"]["replicas"] > 0 or rs["metadata"]["name"] in sizes
        else rs
        for rs in everything
    ]
    if deployment["spec"].get("paused"):
        revisions.clean_up(api, deployment, old)
    new = scaled[0] if found is not None else None
    progress.report_counts(api, deployment, new, scaled[1:] if found is not None else scaled)
    return None


def _scaled_sizes(deployment: Manifest, new: Manifest | None, sets: list[Manifest]) -> dict[str, int]:
    wanted = deployment["spec"]["replicas"]
    active = [rs for rs in sets if rs["spec"]["replicas"] > 0]
    if len(active) <= 1:
        latest = active[0] if active else new or max(sets, key=revisions.age, default=None)
        return {latest["metadata"]["name"]: wanted} if latest is not None else {}
    if new is not None and is_saturated(deployment, new):
        return {rs["metadata"]["name"]: 0 for rs in active if rs is not new}
    if deployment["spec"]["strategy"]["type"] == "RollingUpdate":
        return proportional_sizes(deployment, active)
    return {}
