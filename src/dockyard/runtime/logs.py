"""A container's log: one JSON line for each line it wrote, bounded by rotation, read and followed."""

from __future__ import annotations

import asyncio
import collections
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST_BYTES = 10 * 1024 * 1024  # of one file
_FILES = 2
_TURN = 500  # lines
# What json-file writes for a line beside its text: {"log":...,"stream":"stdout","time":"..."}
_AROUND = 67
_MOST_LINE = 16 * 1024  # a longer line is stored in parts, as Docker's json-file driver does


class Line(NamedTuple):
    """One line (with its newline, unless it is a part): `stream` 1 or 2, `time` in Unix seconds."""

    time: float
    stream: int
    data: bytes


class LogFile:
    """The log of one container, which survives the daemon. One writer; any number of readers in its loop."""

    def __init__(self, path: Path, *, most_bytes: int = _MOST_BYTES, files: int = _FILES) -> None:
        """Keep `files` files, and begin another once one has `most_bytes`, counted as json-file does."""
        self._path = path
        self._most_bytes = most_bytes
        self._files = max(1, files)
        self._partial: dict[int, bytes] = {}
        self._size = path.stat().st_size if path.exists() else 0
        self._number = 0  # of the file that is written now; older ones have the numbers below
        self._followers: set[_Follower] = set()
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
        for follower in self._followers:
            follower.ended = True
            follower.news.set()

    def read(
        self, *, tail: int | None = None, since: float | None = None, until: float | None = None
    ) -> list[Line]:
        """The lines kept, oldest first: the last `tail` of those from `since` to `until` (Unix time)."""
        return list(self.lines(tail=tail, since=since, until=until))

    def lines(
        self, *, tail: int | None = None, since: float | None = None, until: float | None = None
    ) -> Iterator[Line]:
        """What `read` gives, read from the disk one by one."""
        wanted = _between(self._stored(), since, until)
        return wanted if tail is None else iter(collections.deque(wanted, maxlen=tail))

    async def follow(
        self, *, tail: int | None = None, since: float | None = None, until: float | None = None
    ) -> AsyncIterator[Line]:
        """What `read` gives, then every later line until the container ends, none lost and none twice.

        Who reads slowly costs no memory; who is so slow that his place was rotated away misses some.
        """
        follower = _Follower(self._number - self._files, ended=self._ended)
        past: list[Line] = []
        if tail is not None:
            past = self.read(tail=tail, since=since, until=until)
            follower.move_to(self._number, self._open(self._number), at_end=True)
        self._followers.add(follower)
        try:
            for line in past:
                yield line
            count = 0
            while raw := await self._next(follower):
                line = _decode(raw)
                if until is not None and line.time > until:
                    return
                if since is None or line.time >= since:
                    yield line
                count += 1
                if count % _TURN == 0:
                    await asyncio.sleep(0)  # a long log must not stop everybody else
        finally:
            self._followers.discard(follower)
            follower.close()

    async def _next(self, follower: _Follower) -> bytes:
        """The next line of a follower, as it is stored, once there is one; b"" at the end."""
        while True:
            raw = follower.readline()
            if raw.endswith(b"\n"):
                return raw
            if follower.number < self._number:
                number = max(follower.number + 1, self._number - self._files + 1)
                follower.move_to(number, self._open(number))
            elif follower.file is None and (file := self._open(self._number)) is not None:
                follower.move_to(self._number, file)
            elif follower.ended:
                return b""
            else:
                follower.news.clear()
                await follower.news.wait()

    def remove(self) -> None:
        """Deletes the files."""
        for number in range(self._files):
            self._file(self._number - number).unlink(missing_ok=True)
        self._size = 0

    def _file(self, number: int) -> Path:
        age = self._number - number
        return self._path if age == 0 else self._path.with_name(f"{self._path.name}.{age}")

    def _open(self, number: int) -> BinaryIO | None:
        try:
            return open(self._file(number), "rb")
        except FileNotFoundError:
            return None

    def _write(self, lines: list[Line]) -> None:
        texts: list[str] = []
        for line in lines:
            if self._size >= self._most_bytes:
                self._flush(texts)
                self._rotate()
            text = json.dumps(line.data.decode("utf-8", "surrogateescape"))
            texts.append(f"[{line.time!r}, {line.stream}, {text}]\n")
            self._size += len(text) + _AROUND
        self._flush(texts)
        for follower in self._followers:
            follower.news.set()

    def _flush(self, texts: list[str]) -> None:
        if texts:
            with open(self._path, "ab") as file:
                file.write("".join(texts).encode())
            texts.clear()

    def _rotate(self) -> None:
        self._file(self._number - self._files + 1).unlink(missing_ok=True)
        for age in range(self._files - 2, -1, -1):
            older = self._file(self._number - age)
            if older.exists():
                os.replace(older, self._file(self._number - age - 1))
        self._number += 1
        self._size = 0

    def _stored(self) -> Iterator[Line]:
        for age in range(self._files - 1, -1, -1):
            try:
                with open(self._file(self._number - age), "rb") as file:
                    for raw in file:
                        if raw.endswith(b"\n"):  # else cut off by a full disk or a kill
                            yield _decode(raw)
            except FileNotFoundError:
                continue


class _Follower:
    """One reader's place in the log: the file that it reads, and news of more."""

    def __init__(self, number: int, *, ended: bool) -> None:
        self.number = number
        self.ended = ended
        self.news = asyncio.Event()
        self.file: BinaryIO | None = None

    def readline(self) -> bytes:
        return b"" if self.file is None else self.file.readline()

    def move_to(self, number: int, file: BinaryIO | None, *, at_end: bool = False) -> None:
        self.close()
        self.number, self.file = number, file
        if file is not None and at_end:
            file.seek(0, os.SEEK_END)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


def _between(lines: Iterable[Line], since: float | None, until: float | None) -> Iterator[Line]:
    for line in lines:
        if (since is None or line.time >= since) and (until is None or line.time <= until):
            yield line


def _decode(raw: bytes) -> Line:
    time, stream, data = json.loads(raw)
    return Line(time, stream, data.encode("utf-8", "surrogateescape"))


def _parts(line: bytes) -> list[bytes]:
    return [line[start : start + _MOST_LINE] for start in range(0, len(line), _MOST_LINE)]
