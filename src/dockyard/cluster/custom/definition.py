"""From a CustomResourceDefinition to the kinds that it adds, one for each version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from dockyard.cluster.custom import rules, structural
from dockyard.cluster.custom.checking import check
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.podstate import is_true

Manifest = dict[str, Any]

_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to "
    "complete validation"
)


@dataclass(frozen=True)
class CustomKind:
    """What a version of a definition says beyond names: schema, columns and where the replicas are."""

    definition: str
    list_kind: str
    served: bool
    schema: Manifest
    columns: tuple[Manifest, ...]
    scale: Manifest | None


def kinds_of(definition: Manifest) -> list[Kind]:
    """The kinds of an established definition, the stored version first; none before it is established."""
    if not is_true(definition, "Established"):
        return []
    versions = sorted(definition["spec"]["versions"], key=lambda version: not version.get("storage"))
    return [_kind(definition, version) for version in versions]


def _kind(definition: Manifest, version: Manifest) -> Kind:
    # Differs: conversion webhooks of custom resources aren't called; versions differ in apiVersion alone.
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    schema = version["schema"]["openAPIV3Schema"]
    subresources = version.get("subresources") or {}
    custom = CustomKind(
        definition=definition["metadata"]["name"],
        list_kind=names["listKind"],
        served=version.get("served", False),
        schema=schema,
        columns=tuple(version.get("additionalPrinterColumns") or (_AGE,)),
        scale=subresources.get("scale"),
    )
    return Kind(
        spec["group"],
        version["name"],
        names["kind"],
        names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in subresources),
        generation=True,
        singular_name=names["singular"],
        default=partial(_fill, schema),
        validate=partial(_validate, schema),
        selectable=tuple(
            field["jsonPath"].removeprefix(".") for field in version.get("selectableFields") or ()
        ),
        custom=custom,
    )


def _fill(schema: Manifest, obj: Manifest) -> None:
    structural.fill(schema, obj)


def _validate(schema: Manifest, obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    # Differs: an update of a custom object is refused for what was wrong with it before, too (no ratcheting).
    found = FieldErrors()
    check(schema, obj, "", found)
    if not found:
        rules.check(schema, obj, old, "", found)
    elif rules.has_any(schema):
        found.invalid("<nil>", None, _UNCHECKED)
    errors.extend(found)
