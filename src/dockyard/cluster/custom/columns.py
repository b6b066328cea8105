"""What `kubectl get` shows of a custom object: its definition's columns."""

from __future__ import annotations

import json
from typing import Any

from dockyard.cluster.custom.jsonpath import find
from dockyard.cluster.tables.durations import since

Manifest = dict[str, Any]


def cells(columns: tuple[Manifest, ...], obj: Manifest, now: float) -> list[Any]:
    """A cell for each column; None where the object has nothing there."""
    return [_cell(column, obj, now) for column in columns]


def _cell(column: Manifest, obj: Manifest, now: float) -> Any:
    found = find(obj, column["jsonPath"])
    if not found:
        return None
    value, wanted = found[0], column["type"]
    if wanted == "date":
        return since(value if isinstance(value, str) else None, now)
    if wanted == "integer":
        return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if wanted == "number":
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if wanted == "boolean":
        return value if isinstance(value, bool) else None
    return " ".join(_text(each) for each in found)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
