"""Which PersistentVolume fits a claim, by class, modes, size, labels and node; the smallest wins."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from dockyard.cluster.placement import term_matches
from dockyard.cluster.quantity import parse
from dockyard.cluster.selectors import matches
from dockyard.cluster.store import Manifest

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"


def annotation(obj: Manifest, name: str) -> str:
    """An annotation's value; empty without it."""
    return str(obj["metadata"].get("annotations", {}).get(name, ""))


def is_bound(claim: Manifest) -> bool:
    """Whether the claim has its volume for good."""
    return bool(claim["spec"].get("volumeName")) and bool(annotation(claim, BIND_COMPLETED))


def refers_to(volume: Manifest, claim: Manifest) -> bool:
    """Whether the volume is this claim's, or was reserved for it by name."""
    reference = volume["spec"].get("claimRef")
    if reference is None:
        return False
    metadata = claim["metadata"]
    if (reference.get("name"), reference.get("namespace")) != (metadata["name"], metadata["namespace"]):
        return False
    return reference.get("uid") in (None, "", metadata["uid"])


def size_of(volume: Manifest) -> Fraction:
    """The capacity, exact, in bytes."""
    return parse(volume["spec"]["capacity"]["storage"])


def wanted_size(claim: Manifest) -> Fraction:
    """What the claim asks for at least, exact, in bytes."""
    return parse(claim["spec"]["resources"]["requests"]["storage"])


def best(
    claim: Manifest, volumes: Iterable[Manifest], *, reserved_only: bool = False, node: Manifest | None = None
) -> Manifest | None:
    """The volume to bind the claim to, or None.

    One that is reserved for the claim wins over all others; with `reserved_only` it has to be one. With a
    `node` the volume has to be reachable from there.
    """
    fitting = [volume for volume in volumes if _fits(claim, volume, node)]
    reserved = [volume for volume in fitting if refers_to(volume, claim)]
    if reserved or reserved_only:
        return reserved[0] if reserved else None
    free = [volume for volume in fitting if _is_free(claim, volume)]
    return min(free, key=lambda v: (size_of(v), v["metadata"]["name"]), default=None)


def problem(claim: Manifest, volume: Manifest) -> str:
    """Why a volume that the claim names cannot be its own; empty when it can (upstream's words)."""
    if size_of(volume) < wanted_size(claim):
        return "requested PV is too small"
    if volume["spec"].get("storageClassName", "") != (claim["spec"].get("storageClassName") or ""):
        return "storageClassName does not match"
    if volume["spec"].get("volumeMode") != claim["spec"].get("volumeMode"):
        return "incompatible volumeMode"
    if not set(claim["spec"]["accessModes"]) <= set(volume["spec"]["accessModes"]):
        return "incompatible accessMode"
    return ""


def reachable(volume: Manifest, node: Manifest) -> bool:
    """Whether Pods on the node can use the volume."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if required is None:
        return True
    return any(term_matches(term, node) for term in required["nodeSelectorTerms"])


def _fits(claim: Manifest, volume: Manifest, node: Manifest | None) -> bool:
    if "deletionTimestamp" in volume["metadata"]:
        return False
    reference = volume["spec"].get("claimRef")
    if reference is not None and not refers_to(volume, claim):
        return False
    return not problem(claim, volume) and (node is None or reachable(volume, node))


def _is_free(claim: Manifest, volume: Manifest) -> bool:
    selector = claim["spec"].get("selector")
    return bool(
        volume["spec"].get("claimRef") is None
        and volume.get("status", {}).get("phase") == "Available"
        and (selector is None or matches(selector, volume["metadata"].get("labels", {})))
    )
