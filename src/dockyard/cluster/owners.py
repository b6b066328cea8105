"""Ownership: who controls an object, and adopting and releasing the objects that a selector matches."""

from __future__ import annotations

from collections.abc import Callable

from dockyard.cluster.api import Api
from dockyard.cluster.selectors import from_object
from dockyard.cluster.store import Event, Manifest


def controller_of(obj: Manifest) -> Manifest | None:
    """The ownerReference with `controller: true`, or None."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            found: Manifest = reference
            return found
    return None


def is_controlled_by(obj: Manifest, owner: Manifest) -> bool:
    """Whether `owner` is the object's controller, judged by uid."""
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def controller_reference(owner: Manifest) -> Manifest:
    """The ownerReference that makes `owner` an object's controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controllers_named_by(event: Event, kind: str) -> set[str]:
    """The names of the controllers of `kind` that the event's object has, or had before the change."""
    names = set()
    for obj in (event.object, event.old):
        reference = controller_of(obj) if obj is not None else None
        if reference is not None and reference["kind"] == kind:
            names.add(reference["name"])
    return names


def claim(
    api: Api,
    owner: Manifest,
    kind: str,
    *,
    member: Callable[[Manifest], bool] = lambda obj: True,
    read_only: bool = False,
) -> list[Manifest]:
    """The objects of `kind` that `owner` controls, by name, after adopting orphans and releasing strangers.

    Adopts what its selector matches and nobody controls; gives up what it controls and no longer matches.
    `member` is one more condition that an object has to meet, such as a name. They are copies, or with
    `read_only` what all readers share.
    """
    namespace = owner["metadata"]["namespace"]
    selector = from_object(owner["spec"]["selector"])
    owner_leaves = "deletionTimestamp" in owner["metadata"]
    claimed = []
    for obj in api.shared(kind, namespace):
        selected = selector is not None and selector.matches(obj["metadata"].get("labels")) and member(obj)
        reference = controller_of(obj)
        if reference is not None and reference["uid"] == owner["metadata"]["uid"]:
            if not selected and not owner_leaves:
                _release(api, obj, reference["uid"])
            else:
                claimed.append(obj if read_only else api.get(kind, obj["metadata"]["name"], namespace))
        elif reference is None and selected and not owner_leaves and _is_adoptable(obj):
            claimed.append(_adopt(api, obj, owner))
    return claimed


def _is_adoptable(obj: Manifest) -> bool:
    finished = obj["kind"] == "Pod" and obj["status"].get("phase") in ("Succeeded", "Failed")
    return "deletionTimestamp" not in obj["metadata"] and not finished


def _adopt(api: Api, obj: Manifest, owner: Manifest) -> Manifest:
    references = [*obj["metadata"].get("ownerReferences", ()), controller_reference(owner)]
    return api.update(obj["kind"], _with_references(obj, references))


def _release(api: Api, obj: Manifest, uid: str) -> None:
    references = [reference for reference in obj["metadata"]["ownerReferences"] if reference["uid"] != uid]
    api.update(obj["kind"], _with_references(obj, references))


def _with_references(obj: Manifest, references: list[Manifest]) -> Manifest:
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": references}}
