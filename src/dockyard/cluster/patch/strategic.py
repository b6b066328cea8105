"""Strategic merge patch: lists of objects merge by their keys, with `$patch` and `$setElementOrder`.

The rules are those of k8s.io/apimachinery/pkg/util/strategicpatch; merge keys come from the schema.
"""

from __future__ import annotations

from typing import Any

from dockyard.cluster import schema
from dockyard.cluster.errors import ApiError, BadRequest
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.patch.gotext import go_text

Manifest = dict[str, Any]

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_RETAIN, _PATCH = "$retainKeys", "$patch"


def apply_strategic_patch(kind: Kind, obj: Manifest, patch: Any) -> Manifest:
    """The object with the patch merged in. Raises BadRequest."""
    if not isinstance(patch, dict):
        raise BadRequest(
            "error decoding patch: json: cannot unmarshal "
            f"{'array' if isinstance(patch, list) else 'value'} into Go value of type "
            f"map[string]interface {{}}"
        )
    return _merge(obj, patch, schema.root(kind))


def _merge(target: Manifest, patch: Manifest, type_: str) -> Manifest:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {key: _clean(value) for key, value in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest(f"invalid patch: unknown patch type {directive}")
    if _RETAIN in patch:
        for key in [key for key in target if key not in patch[_RETAIN]]:
            del target[key]
    for key, value in patch.items():
        if key.startswith(_DELETE):
            field = key.removeprefix(_DELETE)
            target[field] = [item for item in target.get(field) or () if item not in value]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        order = patch.get(_ORDER + key)
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            inner = target.get(key)
            target[key] = _merge(inner if isinstance(inner, dict) else {}, value, _field(type_, key))
        elif isinstance(value, list):
            target[key] = _merge_list(target.get(key), value, type_, key, order)
        else:
            target[key] = value
    for key, order in patch.items():
        # An order without a change to the list: only the order of what is there.
        if key.startswith(_ORDER) and key.removeprefix(_ORDER) not in patch:
            field = key.removeprefix(_ORDER)
            if isinstance(target.get(field), list):
                how = schema.merge(type_, field) if type_.startswith("#") else None
                target[field] = _sort(target[field], order, how.key if how else "", target[field])
    return target


def _field(type_: str, key: str) -> str:
    if type_.startswith("#"):
        return schema.fields(type_).get(key, "any")
    return type_[1:] if type_.startswith("{") else "any"


def _merge_list(current: Any, patch: list[Any], type_: str, key: str, order: list[Any] | None) -> list[Any]:
    how = schema.merge(type_, key) if type_.startswith("#") else None
    old = current if isinstance(current, list) else []
    if how is None or "merge" not in how.strategies:
        return [_clean(item) for item in patch]
    if not how.key:
        merged = old + [item for item in patch if item not in old]
        return _sort(merged, order or patch, "", old)
    if any(isinstance(item, dict) and item.get(_PATCH) == "replace" for item in patch):
        return [_clean(item) for item in patch if item.get(_PATCH) != "replace"]
    inner = _field(type_, key)[1:]
    merged = list(old)
    for item in patch:
        if not isinstance(item, dict) or how.key not in item:
            raise ApiError(f"map: {go_text(item)} does not contain declared merge key: {how.key}")
        place = next((i for i, have in enumerate(merged) if have.get(how.key) == item[how.key]), None)
        if item.get(_PATCH) == "delete":
            merged = [have for have in merged if have.get(how.key) != item[how.key]]
        elif place is None:
            merged.append(_merge({}, item, inner))
        else:
            merged[place] = _merge(merged[place], item, inner)
    return _sort(merged, order or patch, how.key, old)


def _sort(items: list[Any], order: list[Any], key: str, old: list[Any]) -> list[Any]:
    """Upstream's normalizeElementOrder: what the patch names in its order, and what only the server has
    before the first of those that it was in front of."""

    def identity(item: Any) -> Any:
        return _hashable(item.get(key) if key and isinstance(item, dict) else item)

    def ranks(listed: list[Any]) -> dict[Any, int]:
        found: dict[Any, int] = {}
        for item in listed:
            found.setdefault(identity(item), len(found))
        return found

    wanted, server = ranks(order), ranks(old)
    named = sorted((i for i in items if identity(i) in wanted), key=lambda i: wanted[identity(i)])
    others = sorted((i for i in items if identity(i) not in wanted), key=lambda i: server.get(identity(i), 0))
    merged: list[Any] = []
    while named and others:
        left, right = server.get(identity(others[0])), server.get(identity(named[0]))
        first = others if left is not None and right is not None and left < right else named
        merged.append(first.pop(0))
    return merged + others + named


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, (dict, list)) else (type(value).__name__, value)


def _clean(value: Any) -> Any:
    """The value without directives."""
    if isinstance(value, dict):
        return {
            key: _clean(inner)
            for key, inner in value.items()
            if not key.startswith("$") and inner is not None
        }
    return [_clean(item) for item in value] if isinstance(value, list) else value
