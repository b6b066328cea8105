"""The history of an image as `docker history` shows it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from dockyard.runtime.image import EPOCH, Image


def history(image: Image, sizes: Sequence[int], find: Callable[[str], Image | None]) -> list[dict[str, Any]]:
    """Newest step first; `sizes` are the layers' bytes, lowest first; `find` finds parents by id."""
    left = list(sizes)
    at: Image | None = image
    created = int(image.created)
    steps = []
    for step in reversed(image.config.get("history") or []):
        moment = moment_of(step.get("created"))
        steps.append(
            {
                "Comment": step.get("comment", ""),
                "Created": created if moment is None else int(moment),
                "CreatedBy": step.get("created_by", ""),
                "Id": at.id if at else "<missing>",
                "Size": 0 if step.get("empty_layer") or not left else left.pop(),
                "Tags": list(at.repo_tags) or None if at else None,
            }
        )
        at = find(at.parent) if at and at.parent else None
        created = int(at.created) if at else created
    return steps


def moment_of(text: object) -> float | None:
    """RFC 3339 to unix seconds; none for what says nothing, as the date in images made here."""
    if not isinstance(text, str) or text == EPOCH:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
