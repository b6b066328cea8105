"""Whether a configuration fits its schema, in the words of structured-merge-diff."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dockyard.cluster import schema
from dockyard.cluster.ownership.typed import Type

_NUMERIC = "numeric (int or float)"
_SCALARS = {"s": "string", "b": "boolean", "i32": _NUMERIC, "i64": _NUMERIC, "n": _NUMERIC}


def mismatch(value: Any, type_: Type, path: str = "") -> str:
    """The first thing that does not fit, as `.spec.replicas: expected ..., got ...`; "" when all does."""
    name = type_.name
    if value is None or name == "any":
        return ""
    if name.startswith("#"):
        if not isinstance(value, dict):
            return f"{path}: expected map, got {_shown(value)}"
        known = schema.fields(name)
        for key, inner in value.items():
            if key not in known and name == schema.CUSTOM:
                continue  # its definition has the say, when the configuration is pruned
            if key not in known:
                return f"{path}.{key}: field not declared in schema"
            if found := mismatch(inner, Type(known[key]), f"{path}.{key}"):
                return found
        return ""
    if name.startswith("{"):
        if not isinstance(value, dict):
            return f"{path}: expected map, got {_shown(value)}"
        return _first(mismatch(inner, Type(name[1:]), f"{path}.{key}") for key, inner in value.items())
    if name.startswith("["):
        if not isinstance(value, list):
            return f"{path}: expected list, got {_shown(value)}"
        return _first(
            mismatch(inner, Type(name[1:]), f"{path}[{index}]") for index, inner in enumerate(value)
        )
    expected = _SCALARS.get(name)
    if expected is None or _is_scalar(value, name):
        return ""
    return f"{path}: expected {expected}, got {_kind(value)}"


def _first(found: Iterator[str]) -> str:
    return next(filter(None, found), "")


def _is_scalar(value: Any, name: str) -> bool:
    if name == "s":
        return isinstance(value, str)
    return isinstance(value, bool) if name == "b" else _kind(value) in ("int", "float")


def _kind(value: Any) -> str:
    """What Go's schema calls a value of the wrong type."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "int" if isinstance(value, int) else "float"
    return "map" if isinstance(value, dict) else "list"


def _shown(value: Any) -> str:
    return f"&{{{value}}}" if not isinstance(value, dict | list) else _kind(value)
