"""Binding: a volume and a claim point at each other, in the four writes that watchers of a cluster see."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.storage.matching import BIND_COMPLETED, BOUND_BY_CONTROLLER, annotation
from dockyard.cluster.store import Manifest

COMPONENT = "persistentvolume-controller"
CLAIM, VOLUME = "PersistentVolumeClaim", "PersistentVolume"


def bind(api: Api, volume: Manifest, claim: Manifest) -> None:
    """Bind the two; what is done already is left as it is. Raises Conflict when somebody was faster."""
    volume = reserve(api, volume, claim)
    set_phase(api, volume, "Bound")
    claim = _complete(api, claim, volume)
    status = {
        "phase": "Bound",
        "accessModes": list(volume["spec"]["accessModes"]),
        "capacity": {"storage": volume["spec"]["capacity"]["storage"]},
    }
    before = claim.get("status", {})
    kept = {name: value for name, value in before.items() if name not in status}
    if before != status | kept:
        api.update_status(CLAIM, claim | {"status": status | kept})


def reserve(api: Api, volume: Manifest, claim: Manifest) -> Manifest:
    """Write the claim into the volume, so that nobody else gets it."""
    metadata = claim["metadata"]
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == metadata["uid"]:
        return volume
    if not reference:
        annotations = volume["metadata"].setdefault("annotations", {})
        annotations[BOUND_BY_CONTROLLER] = "yes"
    volume["spec"]["claimRef"] = reference_to(claim)
    return api.update(VOLUME, volume)


def reference_to(claim: Manifest) -> Manifest:
    """What a volume says of its claim."""
    metadata = claim["metadata"]
    return {
        "kind": CLAIM,
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": "v1",
        "resourceVersion": metadata["resourceVersion"],
    }


def _complete(api: Api, claim: Manifest, volume: Manifest) -> Manifest:
    name = volume["metadata"]["name"]
    if claim["spec"].get("volumeName") == name and annotation(claim, BIND_COMPLETED):
        return claim
    annotations = claim["metadata"].setdefault("annotations", {})
    if not claim["spec"].get("volumeName"):
        annotations[BOUND_BY_CONTROLLER] = "yes"
        claim["spec"]["volumeName"] = name
    annotations[BIND_COMPLETED] = "yes"
    return api.update(CLAIM, claim)


def release(api: Api, volume: Manifest) -> None:
    """Take a reservation back that its claim made no use of."""
    if annotation(volume, BOUND_BY_CONTROLLER):
        del volume["metadata"]["annotations"][BOUND_BY_CONTROLLER]
        del volume["spec"]["claimRef"]
    else:
        # A person reserved it by name, and the name still holds.
        volume["spec"]["claimRef"].pop("uid", None)
    set_phase(api, api.update(VOLUME, volume), "Available")


def set_phase(api: Api, volume: Manifest, phase: str, message: str = "") -> Manifest:
    """The volume with this phase, and the time of the change when it is one."""
    status = volume.get("status", {})
    if status.get("phase") == phase and status.get("message", "") == message:
        return volume
    changed = {"phase": phase} | ({"message": message} if message else {})
    since = status.get("lastPhaseTransitionTime")
    changed["lastPhaseTransitionTime"] = since if since and status["phase"] == phase else api.now()
    return api.update_status(VOLUME, volume | {"status": changed})


def set_claim_phase(api: Api, claim: Manifest, phase: str) -> None:
    """Say that the claim is Pending or Lost; what it had of its volume goes from its status."""
    if claim.get("status", {}).get("phase") != phase:
        api.update_status(CLAIM, claim | {"status": {"phase": phase}})


def report(api: Api, obj: Manifest, type: str, reason: str, message: str) -> None:
    """An Event about a claim or a volume."""
    api.record_event(obj, type, reason, message, component=COMPONENT)
