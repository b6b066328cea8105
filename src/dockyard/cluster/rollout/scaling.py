"""How many replicas each ReplicaSet of a Deployment gets: surge, unavailability, proportions."""

from __future__ import annotations

import math

from dockyard.cluster.api import Api
from dockyard.cluster.store import Manifest

COMPONENT = "deployment-controller"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"

IntOrPercent = int | str


def absolute(value: IntOrPercent, total: int, *, round_up: bool) -> int:
    """An `IntOrString` as a number: a percentage of `total`, rounded, or the number itself."""
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * total
    return math.ceil(share / 100) if round_up else share // 100


def resolve(deployment: Manifest) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in Pods.

    Surge is rounded up and unavailability down; when both come to zero nothing could move, so one may be
    unavailable.
    """
    replicas, strategy = deployment["spec"]["replicas"], deployment["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = absolute(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = absolute(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def size_annotations(deployment: Manifest) -> dict[str, str]:
    """What every ReplicaSet remembers of its Deployment's size, to scale in proportion later."""
    replicas = deployment["spec"]["replicas"]
    return {DESIRED: str(replicas), MAXIMUM: str(replicas + resolve(deployment)[0])}


def new_replica_set_size(deployment: Manifest, new: Manifest | None, sets: list[Manifest]) -> int:
    """How big the new ReplicaSet may be now: what is asked for, within maxSurge."""
    wanted: int = deployment["spec"]["replicas"]
    if deployment["spec"]["strategy"]["type"] != "RollingUpdate":
        return wanted
    current: int = new["spec"]["replicas"] if new is not None else 0
    if current >= wanted:
        return wanted
    total: int = sum(rs["spec"]["replicas"] for rs in sets)
    room = wanted + resolve(deployment)[0] - total
    return current + min(max(0, room), wanted - current)


def is_saturated(deployment: Manifest, rs: Manifest) -> bool:
    """Whether the ReplicaSet is as big as the Deployment, knows it, and is fully available."""
    wanted = deployment["spec"]["replicas"]
    desired = rs["metadata"].get("annotations", {}).get(DESIRED)
    available = rs.get("status", {}).get("availableReplicas", 0)
    return bool(rs["spec"]["replicas"] == wanted == available and desired == str(wanted))


def proportional_sizes(deployment: Manifest, active: list[Manifest]) -> dict[str, int]:
    """The size of each active ReplicaSet when a Deployment is scaled in the middle of a rollout.

    Each grows or shrinks by its share of the whole; what rounding leaves goes to the biggest.
    """
    wanted = deployment["spec"]["replicas"]
    surge = resolve(deployment)[0]
    allowed = wanted + surge if wanted > 0 else 0
    to_add = allowed - sum(rs["spec"]["replicas"] for rs in active)
    # The biggest first; among equals the newer one grows first and the older one shrinks first.
    newest_first = sorted(active, key=lambda rs: rs["metadata"]["creationTimestamp"], reverse=to_add >= 0)
    ordered = sorted(newest_first, key=lambda rs: -rs["spec"]["replicas"])
    sizes: dict[str, int] = {}
    added = 0
    for rs in ordered:
        share = _share(deployment, rs, allowed, to_add, added)
        sizes[rs["metadata"]["name"]] = rs["spec"]["replicas"] + share
        added += share
    if ordered and to_add != added:
        name = ordered[0]["metadata"]["name"]
        sizes[name] = max(0, sizes[name] + to_add - added)
    return sizes


def _share(deployment: Manifest, rs: Manifest, allowed: int, to_add: int, added: int) -> int:
    if rs["spec"]["replicas"] == 0 or to_add == 0 or to_add == added:
        return 0
    if deployment["spec"]["replicas"] == 0:
        fraction: int = -rs["spec"]["replicas"]
    else:
        before = int(rs["metadata"].get("annotations", {}).get(MAXIMUM, 0))
        before = before or deployment.get("status", {}).get("replicas", 0) or allowed
        exact = rs["spec"]["replicas"] * allowed / before
        fraction = math.floor(exact + 0.5) - rs["spec"]["replicas"]
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def scale_to(api: Api, deployment: Manifest, rs: Manifest, size: int) -> Manifest:
    """The ReplicaSet with `size` replicas and up-to-date annotations; an Event says when the size changed."""
    before = rs["spec"]["replicas"]
    current = rs["metadata"].get("annotations", {})
    wanted = current | size_annotations(deployment)
    if before == size and current == wanted:
        return rs
    rs["spec"]["replicas"] = size
    rs["metadata"]["annotations"] = wanted
    updated = api.update("ReplicaSet", rs)
    if before != size:
        report_scaling(api, deployment, rs, before, size)
    return updated


def report_scaling(api: Api, deployment: Manifest, rs: Manifest, before: int, after: int) -> None:
    """The ScalingReplicaSet Event, in this version's words."""
    direction = "up" if after > before else "down"
    message = f"Scaled {direction} replica set {rs['metadata']['name']} from {before} to {after}"
    api.record_event(deployment, "Normal", "ScalingReplicaSet", message, component=COMPONENT)
