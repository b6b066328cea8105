"""Keys that a JSON body says twice: the last one counts, and field validation complains."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any


class _Doubled(dict[str, Any]):
    """An object with keys that were said more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.keys_twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]


def duplicates(body: bytes) -> list[str]:
    """The paths of such keys, as `spec.containers[0].image`. The body is known to be JSON."""
    found = False

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        found = True
        return _Doubled(pairs)

    value = json.loads(body, object_pairs_hook=read)
    return list(_paths(value, "")) if found else []


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key in value.keys_twice if isinstance(value, _Doubled) else ():
            yield f"{path}.{key}".removeprefix(".")
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}".removeprefix("."))
