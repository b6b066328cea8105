"""Structural schemas: what is pruned from a custom object, and what is filled in.

Source: kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions.
"""

from __future__ import annotations

import copy
from typing import Any

Schema = dict[str, Any]

PRESERVE, EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_OBJECTS_OWN = ("apiVersion", "kind", "metadata")


def prune(schema: Schema, value: Any, path: str, unknown: list[str], *, at_root: bool = False) -> Any:
    """A copy of the value without the fields that the schema doesn't know; their paths go to `unknown`."""
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return copy.deepcopy(value)
        return [prune(items, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        here = f"{path}.{key}" if path else key
        if key in properties and not (at_root and key in _OBJECTS_OWN):
            kept[key] = prune(properties[key], inner, here, unknown)
        elif (at_root or schema.get(EMBEDDED)) and key in _OBJECTS_OWN:
            kept[key] = copy.deepcopy(inner)
        elif isinstance(extra, dict):
            kept[key] = prune(extra, inner, here, unknown)
        elif extra or schema.get(PRESERVE):
            kept[key] = copy.deepcopy(inner)
        else:
            unknown.append(here)
    return kept


def fill(schema: Schema, value: Any) -> None:
    """Put the schema's defaults where the value has nothing, in place; an absent object stays absent."""
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for item in value:
                fill(items, item)
        return
    if not isinstance(value, dict):
        return
    extra = schema.get("additionalProperties")
    properties: dict[str, Schema] = schema.get("properties") or {}
    for key, inner in properties.items():
        if key in value and value[key] is None and not inner.get("nullable") and "default" in inner:
            del value[key]
        if key not in value and "default" in inner:
            value[key] = copy.deepcopy(inner["default"])
        if key in value:
            fill(inner, value[key])
    if isinstance(extra, dict):
        for key in value.keys() - properties.keys():
            fill(extra, value[key])
