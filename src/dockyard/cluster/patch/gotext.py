"""Values as Go's %v prints them, for error texts that quote a patch."""

from __future__ import annotations

from typing import Any


def go_text(value: Any) -> str:
    """`map[a:1 b:[x y]]`, with sorted keys."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
