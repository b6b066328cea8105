"""metadata.managedFields: who set which field, kept true by every write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dockyard.cluster import schema
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.ownership.fieldset import EMPTY, FieldSet, Path, below, from_v1, to_v1
from dockyard.cluster.ownership.typed import Type, compare

Manifest = dict[str, Any]

# Nobody manages what identifies an object, nor what only the server writes (apimachinery, stripmeta.go).
_NOBODYS = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ]
)
# Fields that Go's structs have even when nobody set them, so that they never count as new.
_ALWAYS_THERE = ("metadata", "spec", "status", "strategy", "updateStrategy", "template", "jobTemplate")
_MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"


class Manager(NamedTuple):
    """Somebody who writes: a name, how (Apply or Update), in which version, and through which subresource."""

    name: str
    operation: str
    version: str
    subresource: str = ""


class Managed(NamedTuple):
    """What one manager has: `time` is RFC 3339, "" for none."""

    fields: FieldSet
    time: str


Managers = dict[Manager, Managed]


def root(kind: Kind) -> Type:
    return Type(schema.root(kind), "", kind.custom.schema if kind.custom else None)


def read(obj: Mapping[str, Any]) -> Managers:
    """The managers of an object. Raises ValueError for entries that can't be read."""
    found: Managers = {}
    for entry in (obj.get("metadata") or {}).get("managedFields") or ():
        if entry.get("operation") not in ("Apply", "Update") or entry.get("fieldsType") != "FieldsV1":
            raise ValueError(f"operation {entry.get('operation')!r} or fieldsType is unknown")
        manager = Manager(
            str(entry.get("manager") or ""),
            entry["operation"],
            str(entry.get("apiVersion") or ""),
            str(entry.get("subresource") or ""),
        )
        found[manager] = Managed(from_v1(entry.get("fieldsV1") or {}), str(entry.get("time") or ""))
    return found


def write(obj: Manifest, managers: Managers) -> None:
    """Put the managers into an object, in upstream's order; those without a field are left out."""
    entries = [_entry(manager, managed) for manager, managed in managers.items() if managed.fields]
    entries.sort(
        key=lambda entry: (
            entry["operation"],
            entry.get("time", ""),
            entry["manager"],
            entry["apiVersion"],
            entry.get("subresource", ""),
        )
    )
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def _entry(manager: Manager, managed: Managed) -> Manifest:
    entry: Manifest = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.version,
    }
    if managed.time:
        entry["time"] = managed.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": to_v1(managed.fields)}
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def owned(kind: Kind, fields: Iterable[Path], subresource: str) -> FieldSet:
    """Those of `fields` that a write through `subresource` can set: the status is written through its own."""
    mine = frozenset(path for path in fields if path not in _NOBODYS)
    if not kind.has_status:
        return mine
    status = below(mine, [("f:status",)])
    if subresource == "status":
        return mine - below(mine, [("f:spec",)])
    return mine - status


def track(kind: Kind, old: Manifest | None, new: Manifest, manager: Manager, now: str) -> None:
    """Set `new`'s managedFields after an update of `old` (None: a create) by `manager`.

    What the write set or changed is the manager's now, whoever had it. Entries that the client sent itself
    are taken over when they can be read, as upstream does: `kubectl` moves fields between managers so.
    """
    sent = new["metadata"].get("managedFields")
    stored = old["metadata"].get("managedFields") if old else None
    try:
        managers = read(new if sent is not None else old or {})
    except (ValueError, AttributeError, TypeError):
        managers = read(old or {})
    if sent is not None and sent in ([], [{}]):
        managers = {}
    given = sent is not None and sent != stored
    # A custom object is no Go struct, so it begins with nothing.
    start = {"metadata": {}} if kind.custom else skeleton(new)
    difference = compare(_bare(old) if old else start, _bare(new), root(kind))
    touched = owned(kind, difference.modified | difference.added, manager.subresource)
    update(managers, manager, touched, difference.removed, now)
    if given and sent in ([], [{}]):
        managers = {}
    cap(managers)
    write(new, managers)


def keep(source: Manifest, target: Manifest) -> None:
    """Give `target` the managers that `source` has."""
    entries = source["metadata"].get("managedFields")
    if entries:
        target["metadata"]["managedFields"] = entries
    else:
        target["metadata"].pop("managedFields", None)


def update(managers: Managers, manager: Manager, touched: FieldSet, removed: FieldSet, now: str) -> None:
    """Give `touched` to a manager alone, and take what was removed from everybody."""
    for other, managed in list(managers.items()):
        lost = removed if other == manager else removed | touched
        fields = managed.fields - lost
        if fields != managed.fields:
            managers[other] = managed._replace(fields=fields)
    before = managers.get(manager, Managed(EMPTY, ""))
    after = before.fields | touched
    if touched:
        managers[manager] = Managed(after, "" if manager.subresource == "scale" else now)
    for other in [one for one, managed in managers.items() if not managed.fields]:
        del managers[other]


def cap(managers: Managers) -> None:
    """Fold the oldest updaters into one entry, as upstream does beyond ten of them."""
    updaters = sorted(
        (managed.time, manager) for manager, managed in managers.items() if manager.operation == "Update"
    )
    while len(updaters) > _MOST_UPDATERS:
        time, oldest = updaters.pop(0)
        ancient = Manager(_ANCIENT, "Update", oldest.version)
        known = managers.get(ancient, Managed(EMPTY, time))
        managers[ancient] = Managed(known.fields | managers.pop(oldest).fields, max(known.time, time))
        updaters = [one for one in updaters if one[1].name != _ANCIENT]


def skeleton(obj: Any) -> Manifest:
    """What an object has before anybody set a field of it."""
    if not isinstance(obj, dict):
        return {}
    return {
        key: skeleton(value) for key, value in obj.items() if key in _ALWAYS_THERE and isinstance(value, dict)
    } | {key: [] for key in ("containers",) if isinstance(obj.get(key), list)}


def _bare(obj: Mapping[str, Any]) -> Manifest:
    """Without what tells about itself."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def described(manager: Manager, time: str = "") -> str:
    """A manager as a conflict names it."""
    text = json.dumps(manager.name, ensure_ascii=False)
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    if manager.operation == "Update":
        text += f" using {manager.version}" + (f" at {time}" if time else "")
    return text
