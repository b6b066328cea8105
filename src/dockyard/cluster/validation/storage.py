"""What volumes, their claims and classes may be."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import quantity
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values

Manifest = dict[str, Any]

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_NOT_SOURCES = (
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
)


def validate_claim(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None:
        _check_claim_change(obj, old, errors)
        return
    if not spec.get("accessModes"):
        errors.required("spec.accessModes", "at least 1 access mode is required")
    for mode in spec.get("accessModes") or ():
        values.one_of(mode, _MODES, "spec.accessModes", errors)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        errors.required("spec.resources[storage]")
    elif quantity.parse(storage) <= 0:
        errors.invalid("spec.resources[storage]", storage, "must be greater than zero")


def _check_claim_change(obj: Manifest, old: Manifest, errors: FieldErrors) -> None:
    spec, stored = dict(obj["spec"]), dict(old["spec"])
    wanted = spec.pop("resources", {}).get("requests", {}).get("storage", "0")
    had = stored.pop("resources", {}).get("requests", {}).get("storage", "0")
    if not stored.get("volumeName"):
        spec.pop("volumeName", None)  # binding a claim sets it
        stored.pop("volumeName", None)
    if spec != stored:
        # Differs: upstream appends a diff of its internal structs.
        errors.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims",
        )
    elif quantity.parse(wanted) < quantity.parse(had):
        errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def validate_volume(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None and _source(spec) != _source(old["spec"]):
        # Differs: upstream appends a diff of its internal structs.
        path = "spec.persistentvolumesource"
        errors.forbidden(path, f"{path} is immutable after creation")
    if old is not None and spec.get("volumeMode") != old["spec"].get("volumeMode"):
        errors.invalid("volumeMode", spec.get("volumeMode"), values.IMMUTABLE)
    if not spec.get("accessModes"):
        errors.required("spec.accessModes")
    for mode in spec.get("accessModes") or ():
        values.one_of(mode, _MODES, "spec.accessModes", errors)
    capacity = spec.get("capacity")
    if not capacity:
        errors.required("spec.capacity")
    if not capacity or set(capacity) != {"storage"}:
        errors.not_supported("spec.capacity", capacity, ("storage",))
    if not _source(spec):
        errors.required("spec", "must specify a volume type")
    policy = spec["persistentVolumeReclaimPolicy"]
    values.one_of(policy, ("Delete", "Recycle", "Retain"), "spec.persistentVolumeReclaimPolicy", errors)


def _source(spec: Manifest) -> Manifest:
    """Where a volume's data is."""
    return {key: value for key, value in spec.items() if key not in _NOT_SOURCES}


def validate_storage_class(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    if not obj.get("provisioner"):
        errors.required("provisioner")
    values.one_of(obj["reclaimPolicy"], ("Delete", "Retain"), "reclaimPolicy", errors)
    modes = ("Immediate", "WaitForFirstConsumer")
    values.one_of(obj["volumeBindingMode"], modes, "volumeBindingMode", errors)
    for key in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
        if old is not None and obj.get(key) != old.get(key):
            errors.invalid(key, obj.get(key), values.IMMUTABLE)
