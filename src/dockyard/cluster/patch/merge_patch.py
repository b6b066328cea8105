"""JSON merge patch, RFC 7386."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.errors import BadRequest

Manifest = dict[str, Any]


def apply_merge_patch(obj: Manifest, patch: Any) -> Manifest:
    """The object with the patch merged in: null removes, lists are replaced. Raises BadRequest."""
    if not isinstance(patch, dict):
        found = "array" if isinstance(patch, list) else "value"
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {found} into Go value of type "
            f"map[string]interface {{}}"
        )
    merged: Manifest = merge(obj, patch)
    return merged


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386's MergePatch; `target` is changed where it is an object."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target
