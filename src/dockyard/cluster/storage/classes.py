"""StorageClasses: the one that every cluster begins with, the default, and when each binds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.cluster.store import Manifest

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

KIND = "StorageClass"
STANDARD = "standard"
# The provisioner of this cluster: directories on the nodes, which share one machine.
HOST_PATH = "kubernetes.io/host-path"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def bootstrap(api: Api) -> None:
    """Create the class `standard` when there is no class at all, so that who deleted it stays without."""
    if not api.list(KIND):
        metadata = {"name": STANDARD, "annotations": {_DEFAULT: "true"}}
        api.create(KIND, {"metadata": metadata, "provisioner": HOST_PATH})


def default_class(api: Api) -> str | None:
    """The name of the class that claims without one get: of several defaults the newest."""
    defaults = [
        found for found in api.list(KIND) if found["metadata"].get("annotations", {}).get(_DEFAULT) == "true"
    ]
    newest = max((found["metadata"]["creationTimestamp"] for found in defaults), default="")
    names = [f["metadata"]["name"] for f in defaults if f["metadata"]["creationTimestamp"] == newest]
    return min(names, default=None)


def class_of(api: Api, claim: Manifest) -> Manifest | None:
    """The claim's class, or None when it names none or one that does not exist."""
    name = claim["spec"].get("storageClassName")
    return api.find(KIND, name) if name else None


def waits_for_consumer(storage_class: Manifest | None) -> bool:
    """Whether claims of the class are bound only when a Pod that uses them is scheduled."""
    return storage_class is not None and storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
