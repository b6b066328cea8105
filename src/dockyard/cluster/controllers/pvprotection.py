"""PV protection: a volume that is being deleted stays while a claim is bound to it."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, KindController
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.storage.binding import VOLUME
from dockyard.cluster.storage.provisioning import PROTECTION_FINALIZER
from dockyard.cluster.store import Manifest


def controller(api: Api) -> Controller:
    return KindController(api, "pvprotection", VOLUME, reconcile)


def reconcile(api: Api, volume: Manifest) -> None:
    """Let go of a terminating volume that no claim has."""
    finalizers = volume["metadata"].get("finalizers", [])
    bound = volume.get("status", {}).get("phase") == "Bound"
    if is_terminating(volume) and not bound and PROTECTION_FINALIZER in finalizers:
        volume["metadata"]["finalizers"] = [other for other in finalizers if other != PROTECTION_FINALIZER]
        api.update(VOLUME, volume)
