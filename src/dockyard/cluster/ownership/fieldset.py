"""Sets of fields, as paths, and their form on the wire (FieldsV1).

A path is a tuple of FieldsV1's elements: `f:NAME` is a field, `k:{...}` an item of a list by its keys,
`v:...` an item of a set by its value. Source: sigs.k8s.io/structured-merge-diff, fieldpath.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Path = tuple[str, ...]
FieldSet = frozenset[Path]
EMPTY: FieldSet = frozenset()


def to_v1(fields: Iterable[Path]) -> dict[str, Any]:
    """The nested form; a member that has members below it is marked with `.`."""
    tree: dict[str, Any] = {}
    members = sorted(fields)
    for path in members:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in members:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return tree


def from_v1(tree: dict[str, Any], above: Path = ()) -> FieldSet:
    """The paths of the nested form. Raises ValueError for what is no such form."""
    found: set[Path] = set()
    for element, below in tree.items():
        if not isinstance(below, dict):
            raise ValueError(f"{element} does not hold an object")
        if element == ".":
            found.add(above)
        elif element[:2] not in ("f:", "k:", "v:", "i:"):
            raise ValueError(f"{element} names no field")
        elif below:
            found |= from_v1(below, (*above, element))
        else:
            found.add((*above, element))
    return frozenset(found)


def with_parents(fields: Iterable[Path]) -> FieldSet:
    """The same, with every path that leads to a member."""
    return frozenset(path[:end] for path in fields for end in range(1, len(path) + 1))


def below(fields: Iterable[Path], tops: Iterable[Path]) -> FieldSet:
    """The members at or below one of `tops`."""
    wanted = tuple(tops)
    return frozenset(path for path in fields if any(path[: len(top)] == top for top in wanted))


def shown(path: Path) -> str:
    """A path as people read it: `.spec.template.spec.containers[name="main"].image`."""
    text = ""
    for element in path:
        kind, rest = element[:1], element[2:]
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = json.loads(rest)
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in keys.items()) + "]"
        else:
            text += f"[{rest}]" if kind == "i" else f"[={rest}]"
    return text
