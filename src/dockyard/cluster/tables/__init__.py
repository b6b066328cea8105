"""Tables: the server-side columns that `kubectl get` prints."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.custom.columns import cells as custom_cells
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.tables.cells import CELLS
from dockyard.cluster.tables.columns import COLUMNS, TYPES

__all__ = ["empty_cells", "table"]

Manifest = dict[str, Any]


def table(kind: Kind, objects: list[Manifest], now: float, revision: str, include: str) -> Manifest:
    """A meta.k8s.io/v1 Table; `include` is Metadata, Object or None: what comes with each row."""
    rows = []
    for obj in objects:
        custom = kind.custom
        cells = custom_cells(custom.columns, obj, now) if custom else CELLS[kind.kind](obj, now)
        if kind.kind != "Event":  # whose name is a column of wide output
            cells = [obj["metadata"]["name"], *cells]
        rows.append({"cells": cells, **_object(obj, include)})
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": _definitions(kind),
        "rows": rows,
    }


def empty_cells(kind: Kind) -> list[Any]:
    """Cells of a row that shows nothing (bookmarks)."""
    return [""] * len(_definitions(kind))


def _object(obj: Manifest, include: str) -> Manifest:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {"object": {**head, "metadata": obj["metadata"]}}


def _definitions(kind: Kind) -> list[Manifest]:
    found = [] if kind.kind == "Event" else [_column("Name", "string", "name", 0)]
    if kind.custom is not None:
        for column in kind.custom.columns:
            form, priority = column.get("format", ""), column.get("priority", 0)
            found.append(_column(column["name"], column["type"], form, priority))
        return found
    types = TYPES.get(kind.kind, {})
    for name in COLUMNS[kind.kind].split(","):
        wide = name.startswith("+")
        plain = name.removeprefix("+")
        type_ = types.get(plain, "string")
        format_ = "name" if kind.kind == "Event" and plain == "Name" else ""
        found.append(_column(plain, type_, format_, 1 if wide else 0))
    return found


def _column(name: str, type_: str, format_: str, priority: int) -> Manifest:
    # Differs: columns carry no descriptions; no client shows them.
    return {"name": name, "type": type_, "format": format_, "description": "", "priority": priority}
