"""Progress of a transfer, in the messages that every Docker client draws bars from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import IO, Any

from dockyard.engine.distribution.errors import Stopped
from dockyard.runtime.decompress import Source

Message = dict[str, Any]
Say = Callable[[Message], None]

_WIDTH = 50
_PAUSE = 0.1  # seconds between two messages about one layer


class Progress:
    """Says what happens, from any thread; after `stop`, every word of it raises Stopped."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Nobody listens any more: let the work end soon."""
        self._stopped.set()

    def check(self) -> None:
        if self._stopped.is_set():
            raise Stopped("context canceled")

    def say(self, status: str, identifier: str = "") -> None:
        """A line about the whole."""
        self.check()
        self._say({"status": status, "id": identifier} if identifier else {"status": status})

    def layer(self, status: str, identifier: str) -> None:
        """A line about one layer."""
        self.check()
        self._say({"status": status, "progressDetail": {}, "id": identifier})

    def text(self, text: str) -> None:
        """Words for people, with their own line ends."""
        self.check()
        self._say({"stream": text})

    def aux(self, content: Message) -> None:
        """Something for programs."""
        self.check()
        self._say({"progressDetail": {}, "aux": content})

    def bar(self, status: str, identifier: str, total: int, last: int | None = None) -> Callable[[int], None]:
        """A function to be called with how many bytes there are by now; `last` is the last such number."""
        spoken = 0.0
        last = total if last is None else last

        def move(current: int) -> None:
            nonlocal spoken
            self.check()
            now = time.monotonic()
            if now - spoken < _PAUSE and current != last:
                return
            spoken = now
            self._say(
                {
                    "status": status,
                    "progressDetail": {"current": current, "total": total},
                    "progress": draw(current, total),
                    "id": identifier,
                }
            )

        return move


def draw(current: int, total: int) -> str:
    """The bar as older clients print it: `[==>   ]  1.2MB/3.4MB`."""
    now = f"{human(current):>8}"
    if total <= 0:
        return now
    filled = min(current * 100 // total, 100) // 2
    bar = "=" * filled + ">" + " " * (_WIDTH - filled if filled < _WIDTH else 0)
    return f"[{bar}] {now}/{human(total)}" if current <= total else f"[{bar}] {now}"


def human(size: float) -> str:
    """Four significant digits and a decimal unit, as go-units' HumanSize."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000 or unit == "PB":
            break
        size /= 1000
    return f"{size:.4g}{unit}"


class Watched:
    """A source that tells how far the file below it was read."""

    def __init__(self, source: Source, file: IO[bytes], bar: Callable[[int], None]) -> None:
        self._source = source
        self._file = file
        self._bar = bar

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._bar(self._file.tell())
        return chunk
