"""A container's log: one JSON line for each line it wrote, bounded by rotation, read and followed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

_MOST_BYTES = 10 * 1024 * 1024  # of one file; two are kept
_MOST_LINE = 16 * 1024  # a longer line is stored in parts, as Docker's json-file driver does


class Line(NamedTuple):
    """One line (with its newline, unless it is a part): `stream` 1 or 2, `time` in Unix seconds."""

    time: float
    stream: int
    data: bytes


class LogFile:
    """The log of one container, which survives the daemon. One writer; any number of readers in its loop."""

    def __init__(self, path: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._partial: dict[int, bytes] = {}
        self._size = path.stat().st_size if path.exists() else 0
        self._followers: set[asyncio.Queue[Line | None]] = set()
        self._ended = True

    def append(self, stream: int, data: bytes, time: float) -> None:
        """Adds what a stream gave; b"" ends that stream, and its last line even without a newline."""
        self._ended = False
        text = self._partial.pop(stream, b"") + data
        *whole, rest = text.split(b"\n")
        lines = [part for line in whole for part in _parts(line + b"\n")]
        if rest and (not data or len(rest) >= _MOST_LINE):
            lines += _parts(rest)
        elif rest:
            self._partial[stream] = rest
        if lines:
            self._write([Line(time, stream, line) for line in lines])

    def end(self) -> None:
        """The container has ended: those who follow get what there is, and their end."""
        self._ended = True
        for queue in self._followers:
            queue.put_nowait(None)

    def read(
        self, *, tail: int | None = None, since: float | None = None, until: float | None = None
    ) -> list[Line]:
        """The lines kept, oldest first: the last `tail` of those from `since` to `until` (Unix time)."""
        found = [
            line
            for line in self._stored()
            if (since is None or line.time >= since) and (until is None or line.time <= until)
        ]
        if tail is not None:
            found = found[len(found) - min(tail, len(found)) :]
        return found

    async def follow(
        self, *, tail: int | None = None, since: float | None = None, until: float | None = None
    ) -> AsyncIterator[Line]:
        """What `read` gives, then every later line until the container ends, none lost and none twice."""
        queue: asyncio.Queue[Line | None] = asyncio.Queue()
        past = self.read(tail=tail, since=since, until=until)
        if not self._ended:
            self._followers.add(queue)
        try:
            for line in past:
                yield line
            while queue in self._followers or not queue.empty():
                following = await queue.get()
                if following is None or (until is not None and following.time > until):
                    return
                yield following
        finally:
            self._followers.discard(queue)

    def remove(self) -> None:
        """Deletes the files."""
        for path in (self._path, self._older):
            path.unlink(missing_ok=True)
        self._size = 0

    @property
    def _older(self) -> Path:
        return self._path.with_name(self._path.name + ".1")

    def _write(self, lines: list[Line]) -> None:
        text = "".join(
            json.dumps([line.time, line.stream, line.data.decode("utf-8", "surrogateescape")]) + "\n"
            for line in lines
        ).encode()
        if self._size and self._size + len(text) > self._most_bytes:
            os.replace(self._path, self._older)
            self._size = 0
        with open(self._path, "ab") as file:
            file.write(text)
        self._size += len(text)
        for queue in self._followers:
            for line in lines:
                queue.put_nowait(line)

    def _stored(self) -> Iterator[Line]:
        for path in (self._older, self._path):
            try:
                with open(path, "rb") as file:
                    for raw in file:
                        if raw.endswith(b"\n"):  # else cut off by a full disk or a kill
                            time, stream, data = json.loads(raw)
                            yield Line(time, stream, data.encode("utf-8", "surrogateescape"))
            except FileNotFoundError:
                continue


def _parts(line: bytes) -> list[bytes]:
    return [line[start : start + _MOST_LINE] for start in range(0, len(line), _MOST_LINE)]
