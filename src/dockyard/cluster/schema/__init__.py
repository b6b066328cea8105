"""What fields each kind has: types, and how lists in them merge."""

from __future__ import annotations

import json
import lzma
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

from dockyard.cluster.kinds.kind import Kind

__all__ = ["CUSTOM", "Merge", "Schema", "fields", "is_atomic", "merge", "ownership", "root"]

Schema = dict[str, Any]

# Custom objects: their metadata has a type as everybody's, the rest is what their definition says.
CUSTOM = "#custom"
_CUSTOM_FIELDS = {
    "apiVersion": "s",
    "kind": "s",
    "metadata": "#io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
}


class Merge(NamedTuple):
    """How a strategic merge patch treats a field: its strategies and, for lists of objects, the key."""

    strategies: tuple[str, ...]
    key: str


@lru_cache(maxsize=1)
def _load() -> Schema:
    packed = resources.files("dockyard.cluster").joinpath("data/types.json.xz").read_bytes()
    loaded: Schema = json.loads(lzma.decompress(packed))
    return loaded


def root(kind: Kind) -> str:
    """The type of a kind's objects, as `#definition`; `any` for a kind without a schema."""
    if kind.custom is not None:
        return CUSTOM
    name = _load()["kinds"].get(f"{kind.group}/{kind.version}/{kind.kind}")
    return f"#{name}" if name else "any"


def fields(type_: str) -> dict[str, str]:
    """The fields of a `#definition` and their types, in the notation of tools/kubernetes_schema.py."""
    if type_ == CUSTOM:
        return _CUSTOM_FIELDS
    found: dict[str, str] = _load()["types"][type_[1:]]["f"]
    return found


def merge(type_: str, field: str) -> Merge | None:
    """How a field of a `#definition` merges, where it says so."""
    if type_ == CUSTOM:
        return None
    found = _load()["types"][type_[1:]].get("m", {}).get(field)
    return Merge(tuple(found[0].split(",")), found[1]) if found else None


def ownership(type_: str, field: str) -> str:
    """How parts of a field of a `#definition` are owned: `set`, `map:KEY,KEY`, `atomic`; "" by default."""
    if type_ == CUSTOM:
        return ""
    found: str = _load()["types"][type_[1:]].get("l", {}).get(field, "")
    return found


def is_atomic(type_: str) -> bool:
    """Whether values of a `#definition` are owned as a whole."""
    return type_ != CUSTOM and "a" in _load()["types"][type_[1:]]
