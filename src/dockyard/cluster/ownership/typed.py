"""Values with their types: which parts of them are owned one by one, and how two of them differ.

Source: sigs.k8s.io/structured-merge-diff, typed; the types' own marks (x-kubernetes-list-type and so on).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from dockyard.cluster import schema
from dockyard.cluster.ownership.fieldset import FieldSet, Path

# An item of a list is found by its keys, and a key that was left out counts with its default.
_DEFAULT_KEYS = {"protocol": "TCP"}
_MISSING: Any = object()


class Type(NamedTuple):
    """A type in the schema's notation, and how its parts are owned where the field that holds it says so."""

    name: str
    ownership: str = ""
    structure: dict[str, Any] | None = None  # the schema of a value of a custom object, whose name is `any`

    @property
    def has_fields(self) -> bool:
        """Whether it is an object of known fields, and no map of any."""
        return self.name.startswith("#") or bool(self.structure and self.structure.get("properties"))


class Part(NamedTuple):
    """One part of a value that is owned apart from the others."""

    element: str
    value: Any
    type: Type


class Difference(NamedTuple):
    """Where two values differ: paths whose value changed, that are new, and that are gone."""

    modified: FieldSet
    added: FieldSet
    removed: FieldSet


def parts(value: Any, type_: Type) -> list[Part] | None:
    """The parts of a map, list or object that are owned one by one; None for what is owned as a whole."""
    if isinstance(value, dict):
        return _fields(value, type_)
    if isinstance(value, list):
        return _items(value, type_)
    return None


def _fields(value: dict[str, Any], type_: Type) -> list[Part] | None:
    name = type_.name
    if type_.ownership == "atomic":
        return None
    if name.startswith("#"):
        if schema.is_atomic(name):
            return None
        known = schema.fields(name)
        if name == schema.CUSTOM:
            inside = {key: Type(known[key]) if key in known else _below(type_, key) for key in value}
            return [Part(f"f:{key}", inner, inside[key]) for key, inner in value.items()]
        return [
            Part(f"f:{key}", inner, Type(known.get(key, "any"), schema.ownership(name, key)))
            for key, inner in value.items()
        ]
    if type_.structure is not None:
        return [Part(f"f:{key}", inner, _below(type_, key)) for key, inner in value.items()]
    inner_type = Type(name[1:]) if name.startswith("{") else Type("any")
    return [Part(f"f:{key}", inner, inner_type) for key, inner in value.items()]


def _below(type_: Type, key: str) -> Type:
    """The type of a field of a custom object."""
    structure = type_.structure or {}
    inner = (structure.get("properties") or {}).get(key, structure.get("additionalProperties"))
    return _structured(inner) if isinstance(inner, dict) else Type("any")


def _structured(structure: dict[str, Any]) -> Type:
    how = structure.get("x-kubernetes-list-type") or structure.get("x-kubernetes-map-type") or ""
    if how == "map":
        how = "map:" + ",".join(structure.get("x-kubernetes-list-map-keys") or ())
    return Type("any", "atomic" if how == "atomic" else how, structure)


def _items(value: list[Any], type_: Type) -> list[Part] | None:
    inner = Type(type_.name[1:]) if type_.name.startswith("[") else Type("any")
    if type_.structure is not None and isinstance(type_.structure.get("items"), dict):
        inner = _structured(type_.structure["items"])
    if type_.ownership == "set":
        return [Part(f"v:{_compact(item)}", item, inner) for item in value]
    if not type_.ownership.startswith("map:"):
        return None
    keys = sorted(type_.ownership[4:].split(","))
    return [
        Part("k:" + _compact(_keys_of(item, keys)), item, inner) for item in value if isinstance(item, dict)
    ]


def _keys_of(item: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    found = {key: item.get(key, _DEFAULT_KEYS.get(key)) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def fields_of(value: Any, type_: Type) -> FieldSet:
    """Every field that a configuration speaks of."""
    return frozenset(_speaks_of(value, type_, ()))


def _speaks_of(value: Any, type_: Type, path: Path) -> Iterator[Path]:
    found = parts(value, type_)
    if found is None:
        yield path
        return
    is_plain_map = isinstance(value, dict) and not type_.has_fields
    for part in found:
        at = (*path, part.element)
        nested = parts(part.value, part.type) is not None
        # A field of an object that is empty, an entry of a map and an item of a list are members themselves.
        if nested and (is_plain_map or isinstance(value, list) or part.value == {}):
            yield at
        if part.value != {} or not nested:
            yield from _speaks_of(part.value, part.type, at)


def compare(old: Any, new: Any, type_: Type) -> Difference:
    """What has become of `old`; None stands for nothing at all."""
    modified: set[Path] = set()
    added: set[Path] = set()
    removed: set[Path] = set()

    def walk(before: Any, after: Any, of: Type, path: Path) -> None:
        old_parts = None if before is _MISSING else parts(before, of)
        new_parts = None if after is _MISSING else parts(after, of)
        if old_parts is None and new_parts is None:
            if before is _MISSING:
                added.add(path)
            elif after is _MISSING:
                removed.add(path)
            elif before != after or isinstance(before, bool) != isinstance(after, bool):
                modified.add(path)
            return
        if before is _MISSING or (old_parts is None and before is None):
            added.add(path)
        elif after is _MISSING or (new_parts is None and after is None):
            removed.add(path)
        elif old_parts is None or new_parts is None:
            modified.add(path)  # it has another shape now
        left = {part.element: part for part in old_parts or ()}
        right = {part.element: part for part in new_parts or ()}
        for element in left.keys() | right.keys():
            one, other = left.get(element), right.get(element)
            part = one or other
            assert part is not None
            walk(
                one.value if one else _MISSING,
                other.value if other else _MISSING,
                part.type,
                (*path, element),
            )

    walk(old, new, type_, ())
    for paths in (modified, added, removed):
        paths.discard(())
    return Difference(frozenset(modified), frozenset(added), frozenset(removed))


def merge(live: Any, config: Any, type_: Type) -> Any:
    """`live` with everything that `config` speaks of set as it says. Neither is changed."""
    ours, theirs = parts(live, type_), parts(config, type_)
    if ours is None or theirs is None:
        return config
    wanted = {part.element: part for part in theirs}
    if isinstance(live, dict):
        kept = {part.element: part for part in ours}
        merged = {part.element[2:]: part.value for part in ours}
        for element, part in wanted.items():
            before = kept[element].value if element in kept else None
            merged[element[2:]] = merge(before, part.value, part.type) if before is not None else part.value
        return merged
    return _merge_items(ours, theirs)


def _merge_items(ours: list[Part], theirs: list[Part]) -> list[Any]:
    """Items in the order of the configuration; those of the live object alone stay before their neighbour."""
    live = {part.element: part for part in ours}
    shared = {part.element for part in theirs}
    waiting: list[Any] = []
    before: dict[str, list[Any]] = {}
    for part in ours:
        if part.element in shared:
            before[part.element] = waiting
            waiting = []
        else:
            waiting.append(part.value)
    merged: list[Any] = []
    for part in theirs:
        merged += before.get(part.element, [])
        known = live.get(part.element)
        merged.append(merge(known.value, part.value, part.type) if known else part.value)
    # What stood last in the live object, without a shared neighbour behind it, stays behind what it followed.
    last = max((index for index, part in enumerate(theirs) if part.element in live), default=-1)
    tail = len(merged) - (len(theirs) - 1 - last)
    return merged[:tail] + waiting + merged[tail:]


def remove(value: Any, type_: Type, gone: FieldSet, path: Path = ()) -> Any:
    """`value` without the parts in `gone`; a map or list that loses its last part goes with it."""
    found = parts(value, type_)
    if found is None:
        return value
    kept: list[tuple[str, Any]] = []
    for part in found:
        at = (*path, part.element)
        if at in gone:
            continue
        rest = remove(part.value, part.type, gone, at)
        if rest in ({}, []) and part.value not in ({}, []):
            continue
        kept.append((part.element, rest))
    if isinstance(value, dict):
        return {element[2:]: rest for element, rest in kept}
    return [rest for _, rest in kept]
