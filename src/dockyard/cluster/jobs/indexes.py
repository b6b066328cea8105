"""Completion indexes: which Pod works at which, and sets of them as text: `0,2` or `0-3,7`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Manifest = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"


def is_indexed(job: Manifest) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def counts_by_index(job: Manifest) -> bool:
    """Whether each index has a back-off limit of its own."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def index_of(pod: Manifest, completions: int) -> int | None:
    """The index that the Pod works at; None when it has none below `completions`."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() and int(text) < completions else None


def failures_before(pod: Manifest, name: str = FAILURES) -> int:
    """How often the Pod's index had failed when the Pod was made."""
    text = (pod["metadata"].get("annotations") or {}).get(name, "")
    return int(text) if text.isdigit() else 0


def parse(text: str | None) -> set[int]:
    """The indexes that a status lists."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, dash, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last if dash else first) + 1))
    return found


def text_of(indexes: Iterable[int]) -> str:
    """Ranges from three on, as upstream writes them: `0,1` and `0-2`."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and index == parts[-1][-1] + 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 2 else ",".join(map(str, part)) for part in parts)
