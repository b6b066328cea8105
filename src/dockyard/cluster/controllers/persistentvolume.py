"""PersistentVolume: says whether a volume is free, taken or left behind, and reclaims what is left behind."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.storage.binding import CLAIM, VOLUME, release, set_phase
from dockyard.cluster.storage.provisioning import PROVISIONED_BY, reclaim
from dockyard.cluster.store import Event, Manifest


def controller(api: Api) -> Controller:
    def volumes(event: Event) -> Iterable[Key]:
        names = {obj["spec"].get("volumeName") for obj in (event.object, event.old) if obj is not None}
        if event.type == "DELETED":
            # Volumes that were reserved for the claim and never bound to it.
            uid = event.object["metadata"]["uid"]
            names |= {
                volume["metadata"]["name"]
                for volume in api.list(VOLUME)
                if (volume["spec"].get("claimRef") or {}).get("uid") == uid
            }
        return [Key("", name) for name in names if name]

    return KindController(api, "persistentvolume", VOLUME, reconcile, triggers={CLAIM: volumes})


def reconcile(api: Api, volume: Manifest) -> None:
    """Bring the volume's phase up to date with its claim, and do what its reclaim policy says."""
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        set_phase(api, volume, "Available")
        return
    claim = api.find(CLAIM, reference["name"], reference["namespace"])
    if claim is None or claim["metadata"]["uid"] != reference["uid"]:
        if volume.get("status", {}).get("phase") not in ("Released", "Failed"):
            volume = set_phase(api, volume, "Released")
        reclaim(api, volume)
    elif claim["spec"].get("volumeName") == volume["metadata"]["name"]:
        set_phase(api, volume, "Bound")
    elif claim["spec"].get("volumeName"):
        _let_go(api, volume)


def _let_go(api: Api, volume: Manifest) -> None:
    """The claim has taken another volume."""
    provisioned = PROVISIONED_BY in volume["metadata"].get("annotations", {})
    if provisioned and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
        if volume["status"]["phase"] not in ("Released", "Failed"):
            volume = set_phase(api, volume, "Released")
        reclaim(api, volume)
    else:
        release(api, volume)
