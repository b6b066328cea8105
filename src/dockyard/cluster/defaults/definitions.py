"""Defaults of CustomResourceDefinitions."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def default_definition(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if kind := names.get("kind"):
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {}).setdefault("strategy", "None")


def note_stored_version(obj: Manifest) -> None:
    """The version in which objects will be stored belongs to the status from the start."""
    stored = [version["name"] for version in obj["spec"].get("versions") or () if version.get("storage")]
    obj["status"]["storedVersions"] = stored
