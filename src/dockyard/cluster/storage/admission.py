"""What the API server does to claims and volumes on their way in: default class, protection, no resizing."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from dockyard.cluster.errors import Forbidden
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.quantity import parse
from dockyard.cluster.storage.classes import class_of, default_class
from dockyard.cluster.store import Manifest

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

_PROTECTION = {
    "PersistentVolumeClaim": "kubernetes.io/pvc-protection",
    "PersistentVolume": "kubernetes.io/pv-protection",
}


def on_create(api: Api, kind: Kind, obj: Manifest) -> None:
    """Give a claim that names no class the default one, and protect claims and volumes while in use."""
    finalizer = _PROTECTION[kind.kind]
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer not in finalizers:
        obj["metadata"]["finalizers"] = [*finalizers, finalizer]
    if kind.kind == "PersistentVolumeClaim" and obj["spec"].get("storageClassName") is None:
        name = default_class(api)
        if name is not None:
            obj["spec"]["storageClassName"] = name


def complete(api: Api, volume: Manifest) -> None:
    """Say since when a new volume is in its first phase."""
    volume["status"]["lastPhaseTransitionTime"] = api.now()


def on_update(api: Api, kind: Kind, obj: Manifest, old: Manifest) -> None:
    """Refuse to let a claim grow unless its class allows that. Raises Forbidden.

    Differs: where the class allows it the claim asks for more, and nothing makes its volume bigger.
    """
    wanted, had = _size(obj), _size(old)
    if wanted is None or had is None or wanted <= had:
        return
    name = old["metadata"]["name"]
    if old.get("status", {}).get("phase") != "Bound":
        raise Forbidden.of(kind, name, "Only bound persistent volume claims can be expanded")
    storage_class = class_of(api, old)
    if storage_class is None or not storage_class.get("allowVolumeExpansion"):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
            "must support resize"
        )
        raise Forbidden.of(kind, name, why)


def _size(claim: Manifest) -> Fraction | None:
    text = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    try:
        return None if text is None else parse(text)
    except ValueError:
        return None  # the validation says it better
