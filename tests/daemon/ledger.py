"""What clients were told of their writes: acknowledged, or unknown because the server was gone by then."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Value = str | None  # None: it is not there


class Ledger:
    """The last acknowledged value of each thing, and the one that was on its way when the server went.

    Each thing has one writer only, so that nobody else's write can come in between.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[str, Value] = {}
        self.unknown: dict[str, Value] = {}
        self.writes = 0
        self.unknown_writes = 0
        self._lock = threading.Lock()

    @contextmanager
    def write(self, name: str, value: Value) -> Iterator[None]:
        """Around a write: it is acknowledged when the block ends without an exception."""
        with self._lock:
            self.unknown[name] = value
        yield
        with self._lock:
            self.acknowledged[name] = value
            del self.unknown[name]
            self.writes += 1

    def names(self, prefix: str) -> list[str]:
        """The things of this prefix that are there."""
        with self._lock:
            there = [name for name, value in self.acknowledged.items() if value is not None]
        return sorted(name for name in there if name.startswith(prefix))

    def lost(self, found: Mapping[str, str]) -> list[str]:
        """What is otherwise than every answer allows, in words."""
        wrong = []
        for name in sorted({*self.acknowledged, *self.unknown, *found}):
            allowed = {self.acknowledged.get(name)}
            if name in self.unknown:
                allowed.add(self.unknown[name])
            if found.get(name) not in allowed:
                wrong.append(f"{name} is {found.get(name)!r} and not one of {allowed}")
        return wrong

    def settle(self, found: Mapping[str, str]) -> None:
        """Go on from what was found."""
        self.unknown_writes += len(self.unknown)
        self.unknown.clear()
        self.acknowledged = dict(found)
