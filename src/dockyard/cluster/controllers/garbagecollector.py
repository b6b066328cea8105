"""Garbage collector: deletes what belongs to nobody any more, after its owner, before it, or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.deletion import FOREGROUND, ORPHAN
from dockyard.cluster.kinds import Kinds
from dockyard.cluster.manager import Controller, Key
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.store import Event, Manifest


class _Place(NamedTuple):
    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> Key:
        return Key(self.namespace, f"{self.kind}/{self.name}")


def controller(api: Api) -> Controller:
    return GarbageCollector(api)


class GarbageCollector:
    """Follows ownerReferences of every kind. Its index of dependents is rebuilt at any start."""

    name = "garbagecollector"

    def __init__(self, api: Api) -> None:
        self._api = api
        self._dependents: dict[str, set[_Place]] = defaultdict(set)

    def existing(self) -> Iterable[Key]:
        found = []
        for kind in self._api.kinds.values():
            if kind.kind == "Event":
                continue
            for obj in self._api.list(kind.key):
                place = _Place(kind.key, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
                self._index(place, {}, obj)
                if _owners(obj) or _gc_finalizers(obj):
                    found.append(place.key)
        return found

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind == "Event":
            return ()
        place = _Place(event.kind, event.namespace, event.name)
        old, new = event.old or {}, event.object
        if event.type == "DELETED":
            self._index(place, new, {})
            woken = [dependent.key for dependent in self._dependents.get(new["metadata"]["uid"], ())]
            # An owner that waits for its dependents looks again.
            woken += [_owner_place(self._api.kinds, place.namespace, owner).key for owner in _owners(new)]
            return woken
        if _owners(old) != _owners(new):
            self._index(place, old, new)
        elif (
            old and is_terminating(old) == is_terminating(new) and _gc_finalizers(old) == _gc_finalizers(new)
        ):
            return ()
        return (place.key,) if _owners(new) or _gc_finalizers(new) else ()

    def reconcile(self, key: Key) -> None:
        """Delete the object, or free its dependents, if its owners or its own deletion ask for that."""
        kind, _, name = key.name.partition("/")
        if kind not in self._api.kinds:
            return
        obj = self._api.find(kind, name, key.namespace or None)
        if obj is None:
            return
        if is_terminating(obj):
            finalizers = obj["metadata"].get("finalizers", ())
            if FOREGROUND in finalizers:
                self._delete_dependents_first(kind, obj)
            elif ORPHAN in finalizers:
                self._orphan_dependents(kind, obj)
        elif _owners(obj):
            self._judge_owners(kind, obj)

    def _index(self, place: _Place, old: Manifest, new: Manifest) -> None:
        for owner in _owners(old):
            self._dependents[owner["uid"]].discard(place)
            if not self._dependents[owner["uid"]]:
                del self._dependents[owner["uid"]]
        for owner in _owners(new):
            self._dependents[owner["uid"]].add(place)

    def _dependents_of(self, obj: Manifest) -> list[tuple[_Place, Manifest]]:
        places = sorted(self._dependents.get(obj["metadata"]["uid"], ()))
        found = ((place, self._api.find(place.kind, place.name, place.namespace or None)) for place in places)
        return [(place, dependent) for place, dependent in found if dependent is not None]

    def _delete_dependents_first(self, kind: str, obj: Manifest) -> None:
        uid = obj["metadata"]["uid"]
        blocked = False
        for place, dependent in self._dependents_of(obj):
            reference = next(owner for owner in _owners(dependent) if owner["uid"] == uid)
            blocked = blocked or bool(reference.get("blockOwnerDeletion"))
            if not is_terminating(dependent):
                self._judge_owners(place.kind, dependent)
        if not blocked:
            self._drop_finalizer(kind, obj, FOREGROUND)

    def _orphan_dependents(self, kind: str, obj: Manifest) -> None:
        for place, dependent in self._dependents_of(obj):
            self._drop_owners(place.kind, dependent, {obj["metadata"]["uid"]})
        self._drop_finalizer(kind, obj, ORPHAN)

    def _judge_owners(self, kind: str, obj: Manifest) -> None:
        absent, waiting, solid = set(), set(), set()
        for owner in _owners(obj):
            found = self._owner(obj, owner)
            if found is None:
                absent.add(owner["uid"])
            elif is_terminating(found) and FOREGROUND in found["metadata"].get("finalizers", ()):
                waiting.add(owner["uid"])
            else:
                solid.add(owner["uid"])
        if solid:
            if absent or waiting:
                self._drop_owners(kind, obj, absent | waiting)
            return
        finalizers = obj["metadata"].get("finalizers", ())
        if waiting and self._dependents_of(obj):
            policy = "Foreground"
        elif ORPHAN in finalizers:
            policy = "Orphan"
        elif FOREGROUND in finalizers:
            policy = "Foreground"
        else:
            policy = "Background"
        self._api.delete(
            kind,
            obj["metadata"]["name"],
            obj["metadata"].get("namespace"),
            propagation_policy=policy,
            preconditions={"uid": obj["metadata"]["uid"]},
        )

    def _owner(self, obj: Manifest, owner: Manifest) -> Manifest | None:
        kind = self._api.kinds.of(owner["apiVersion"], owner["kind"])
        if kind is None:
            return {"metadata": {"uid": owner["uid"]}}  # not ours to judge, so it counts as there
        namespace = obj["metadata"].get("namespace") if kind.namespaced else None
        found = self._api.find(kind.key, owner["name"], namespace)
        return found if found is not None and found["metadata"]["uid"] == owner["uid"] else None

    def _drop_owners(self, kind: str, obj: Manifest, uids: set[str]) -> None:
        kept = [owner for owner in _owners(obj) if owner["uid"] not in uids]
        obj["metadata"]["ownerReferences"] = kept
        self._api.update(kind, obj)

    def _drop_finalizer(self, kind: str, obj: Manifest, finalizer: str) -> None:
        fresh = self._api.find(kind, obj["metadata"]["name"], obj["metadata"].get("namespace"))
        if fresh is not None and finalizer in fresh["metadata"].get("finalizers", ()):
            kept = [other for other in fresh["metadata"]["finalizers"] if other != finalizer]
            fresh["metadata"]["finalizers"] = kept
            self._api.update(kind, fresh)


def _owners(obj: Manifest) -> list[Manifest]:
    found: list[Manifest] = obj.get("metadata", {}).get("ownerReferences", [])
    return found


def _owner_place(kinds: Kinds, namespace: str, owner: Manifest) -> _Place:
    kind = kinds.of(owner["apiVersion"], owner["kind"])
    return _Place(
        kind.key if kind else owner["kind"],
        namespace if kind is None or kind.namespaced else "",
        owner["name"],
    )


def _gc_finalizers(obj: Manifest) -> list[str]:
    return [f for f in obj.get("metadata", {}).get("finalizers", ()) if f in (ORPHAN, FOREGROUND)]
