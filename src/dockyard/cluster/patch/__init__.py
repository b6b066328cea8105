"""The three kinds of patch that Kubernetes takes."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.errors import ApiError
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.patch.json_patch import apply_json_patch
from dockyard.cluster.patch.merge_patch import apply_merge_patch
from dockyard.cluster.patch.strategic import apply_strategic_patch

__all__ = ["TYPES", "apply"]

Manifest = dict[str, Any]

TYPES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
}


def apply(kind: Kind, obj: Manifest, patch: Any, patch_type: str) -> Manifest:
    """The patched object; `obj` may be changed. `patch_type` is json, merge or strategic.

    Raises BadRequest and Invalid with upstream's texts.
    """
    if patch_type == "json":
        return apply_json_patch(obj, patch)
    if patch_type == "merge":
        return apply_merge_patch(obj, patch)
    if patch_type == "strategic":
        return apply_strategic_patch(kind, obj, patch)
    raise ApiError(f"unknown patch type {patch_type}")
