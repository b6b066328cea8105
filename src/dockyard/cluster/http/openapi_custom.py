"""The OpenAPI schemas of custom kinds: what their definitions say, with the fields that every object has."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.kinds import Kind, Kinds

Manifest = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_META = _SCHEMAS + "io.k8s.apimachinery.pkg.apis.meta.v1."
_VERSION_NOTE = "The version of the schema that this object is in."
_KIND_NOTE = "The kind of thing that this object is, in CamelCase."


def schema_name(row: Kind) -> str:
    """The group backwards, the version and the kind, as apiextensions-apiserver names schemas."""
    return ".".join([*reversed(row.group.split(".")), row.version, row.kind])


def schemas_of(kinds: Kinds) -> dict[str, Manifest]:
    """A schema and a list's schema for each custom kind that is served."""
    found: dict[str, Manifest] = {}
    for row in kinds.served():
        if row.custom is not None:
            found[schema_name(row)] = _object(row, row.custom.schema)
            found[schema_name(row) + "List"] = _list(row)
    return found


def _object(row: Kind, schema: Manifest) -> Manifest:
    properties = {
        "apiVersion": {"description": _VERSION_NOTE, "type": "string"},
        "kind": {"description": _KIND_NOTE, "type": "string"},
        "metadata": {"description": "Standard object's metadata.", "allOf": [{"$ref": _META + "ObjectMeta"}]},
        **{
            k: v
            for k, v in (schema.get("properties") or {}).items()
            if k not in ("apiVersion", "kind", "metadata")
        },
    }
    return {**schema, "properties": properties, **_identity(row, row.kind)}


def _list(row: Kind) -> Manifest:
    items = {"description": f"List of {row.plural}.", "type": "array"}
    return {
        "description": f"{row.list_kind} is a list of {row.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": _VERSION_NOTE, "type": "string"},
            "items": {**items, "items": {"$ref": _SCHEMAS + schema_name(row)}},
            "kind": {"description": _KIND_NOTE, "type": "string"},
            "metadata": {"description": "Standard list metadata.", "allOf": [{"$ref": _META + "ListMeta"}]},
        },
        **_identity(row, row.list_kind),
    }


def _identity(row: Kind, kind: str) -> Manifest:
    return {"x-kubernetes-group-version-kind": [{"group": row.group, "kind": kind, "version": row.version}]}
