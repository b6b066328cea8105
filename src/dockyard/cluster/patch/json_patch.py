"""JSON patch, RFC 6902."""

from __future__ import annotations

import copy
from typing import Any

from dockyard.cluster.errors import BadRequest, Invalid

Manifest = dict[str, Any]

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
_LIMIT = 10000  # upstream's limit on operations


class _Impossible(Exception):
    """The patch cannot be applied; upstream answers all of these with one text."""


def apply_json_patch(obj: Manifest, patch: Any) -> Manifest:
    """The object after the operations, or none of them. Raises BadRequest, Invalid."""
    if not isinstance(patch, list):
        found = "object" if isinstance(patch, dict) else "value"
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {found} into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    if len(patch) > _LIMIT:
        raise BadRequest(f"The allowed maximum operations in a JSON patch is {_LIMIT}, got {len(patch)}")
    document: Any = copy.deepcopy(obj)
    try:
        for operation in patch:
            document = _apply(document, operation)
    except (_Impossible, KeyError, AttributeError, TypeError) as error:
        raise Invalid("the server rejected our request due to an error in our request", {}) from error
    if not isinstance(document, dict):
        raise Invalid("the server rejected our request due to an error in our request", {})
    return document


def _apply(document: Any, operation: Manifest) -> Any:
    op, path = operation["op"], _pointer(operation["path"])
    if op not in _OPERATIONS:
        raise _Impossible(op)
    if op == "test":
        if _find(document, path) != operation.get("value"):
            raise _Impossible("test")
        return document
    if op == "remove":
        _remove(document, path)
        return document
    if op == "replace":
        _find(document, path)
        if not path:
            return operation["value"]
        _remove(document, path)
        return _add(document, path, copy.deepcopy(operation["value"]))
    if op == "add":
        return _add(document, path, copy.deepcopy(operation["value"]))
    source = _pointer(operation["from"])
    value = copy.deepcopy(_find(document, source))
    if op == "move":
        _remove(document, source)
    return _add(document, path, value)


def _pointer(text: str) -> list[str]:
    if text == "":
        return []
    if not text.startswith("/"):
        raise _Impossible(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(items: list[Any], part: str, *, adding: bool) -> int:
    if part == "-" and adding:
        return len(items)
    if not part.isdigit() or int(part) > len(items) - (0 if adding else 1):
        raise _Impossible(part)
    return int(part)


def _find(document: Any, path: list[str]) -> Any:
    for part in path:
        document = (
            document[_index(document, part, adding=False)] if isinstance(document, list) else document[part]
        )
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _find(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], adding=True), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise _Impossible(path[-1])
    return document


def _remove(document: Any, path: list[str]) -> None:
    parent = _find(document, path[:-1])
    if isinstance(parent, list):
        del parent[_index(parent, path[-1], adding=False)]
    else:
        del parent[path[-1]]
