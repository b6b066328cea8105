"""Object metadata: filled in on create, held together on update, checked on both."""

from __future__ import annotations

import re
import uuid
from typing import Any

from dockyard.cluster import names
from dockyard.cluster.errors import ApiError, BadRequest, Conflict, Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]

_ORDER = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_IMMUTABLE = ("namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")
_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")


def place(kind: Kind, obj: Manifest, namespace: str | None) -> str:
    """Put the object into its namespace and return that ("" when cluster-scoped).

    Raises BadRequest when the object says another one than the request.
    """
    metadata = obj.setdefault("metadata", {})
    if not kind.namespaced:
        if metadata.pop("namespace", None):
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        return ""
    own = metadata.get("namespace")
    if own and namespace and own != namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = own or namespace or "default"
    return str(metadata["namespace"])


def begin(kind: Kind, obj: Manifest, now: str) -> None:
    """Fill in what the server owns on a new object. Raises when a resourceVersion was sent."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise ApiError("resourceVersion should not be set on objects to be created")
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = names.generate_name(metadata["generateName"])
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"):
        metadata.pop(key, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now
    if kind.generation:
        metadata["generation"] = 1
    tidy(obj)


def tidy(obj: Manifest) -> None:
    """Upstream's order of metadata, without its empty fields."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in _ORDER if key in metadata}
    kept.update((key, value) for key, value in metadata.items() if key not in kept)
    for key in ("labels", "annotations", "ownerReferences", "finalizers", "generateName", "managedFields"):
        if key in kept and not kept[key]:
            del kept[key]
    obj["metadata"] = kept


def carry_over(kind: Kind, obj: Manifest, old: Manifest, *, patched: bool = False) -> None:
    """Take over from the stored object what an update leaves out, and hold the optimistic lock.

    Another uid is a failed precondition of an update, and an immutable field to a patch.
    """
    metadata, stored = obj["metadata"], old["metadata"]
    name = stored["name"]
    if not patched and metadata.get("uid") and metadata["uid"] != stored["uid"]:
        raise Conflict.modified_uid(kind, stored, metadata["uid"])
    revision = metadata.get("resourceVersion")
    if revision and revision != stored["resourceVersion"]:
        raise Conflict.modified(kind, name)
    metadata["creationTimestamp"] = stored["creationTimestamp"]
    for key in _IMMUTABLE:
        if key in stored and (key not in metadata or metadata[key] is None or key.startswith("deletion")):
            metadata[key] = stored[key]
        elif key not in stored and key.startswith("deletion"):
            metadata.pop(key, None)
    metadata["resourceVersion"] = stored["resourceVersion"]
    metadata.pop("generation", None)
    if "generation" in stored:
        metadata["generation"] = stored["generation"]
    metadata.pop("selfLink", None)
    tidy(obj)


def validate(kind: Kind, obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    """The rules that hold for every kind's metadata."""
    metadata = obj["metadata"]
    name, prefix = metadata.get("name", ""), metadata.get("generateName", "")
    if prefix and old is None:
        for problem in _name_problems(kind, re.sub(r"-$", "a", prefix)):
            errors.invalid("metadata.generateName", prefix, problem)
    if not name:
        errors.required("metadata.name", "name or generateName is required")
    elif old is None:
        for problem in _name_problems(kind, name):
            errors.invalid("metadata.name", name, problem)
    names.check_labels(metadata.get("labels"), "metadata.labels", errors)
    names.check_annotations(metadata.get("annotations"), "metadata.annotations", errors)
    _check_owners(metadata.get("ownerReferences") or (), errors)
    _check_finalizers(metadata.get("finalizers") or (), errors)
    if old is None:
        return
    for key in ("name", "namespace", "uid", "creationTimestamp"):
        if metadata.get(key) != old["metadata"].get(key):
            for _ in range(2):  # upstream finds it twice, and shows it once
                errors.invalid(f"metadata.{key}", metadata.get(key), "field is immutable")
    if "deletionTimestamp" in old["metadata"]:
        added = set(metadata.get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if added:
            shown = ", ".join(f'"{finalizer}"' for finalizer in sorted(added))
            errors.forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{shown}}}",
            )


def _name_problems(kind: Kind, name: str) -> list[str]:
    if kind.path_name:
        return names.path_segment_problems(name)
    if kind.kind == "Namespace" and "." in name:
        return ["must not contain dots"]
    if kind.kind == "Service":
        return [names.too_long(63)] if len(name) > 63 else names.dns_label_problems(name)
    return names.dns_label_problems(name) if kind.label_name else names.subdomain_problems(name)


def _check_owners(owners: list[Manifest] | tuple[()], errors: FieldErrors) -> None:
    controllers = []
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        for key, detail in (
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ):
            if not owner.get(key):
                errors.invalid(f"{path}.{key}", owner.get(key, ""), detail)
        if owner.get("controller"):
            controllers.append(owner)
    if len(controllers) > 1:
        first, second = controllers[0], controllers[1]
        errors.invalid(
            "metadata.ownerReferences",
            list(owners),
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{first['kind']}/{first['name']} and {second['kind']}/{second['name']}",
        )


def _check_finalizers(finalizers: list[str] | tuple[()], errors: FieldErrors) -> None:
    for index, finalizer in enumerate(finalizers):
        path = f"metadata.finalizers[{index}]"
        problems = names.label_key_problems(finalizer)
        for problem in problems:
            errors.invalid(path, finalizer, problem)
        if not problems and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            errors.invalid(
                path,
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            )
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        errors.invalid(
            "metadata.finalizers",
            list(finalizers),
            "finalizer orphan and foregroundDeletion cannot be both set",
        )


def refuse(kind: Kind, obj: Manifest, errors: FieldErrors) -> None:
    """Raise Invalid when there are errors."""
    if errors:
        raise Invalid.of(kind.qualified, obj["metadata"].get("name", ""), errors)
