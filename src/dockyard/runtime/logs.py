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
        if tail is not None and since is None and until is None:
            # Only what is shown is decoded: the end of a long log is asked for often.
            return map(_decode, collections.deque(self._stored(), maxlen=tail))
        wanted = _between(map(_decode, self._stored()), since, until)
        return wanted if tail is None else iter(collections.deque(wanted, maxlen=tail))

    async def follow(
        self, *, tail: int | None = None, since: float | None = None, until: float | None = None
    ) -> AsyncIterator[Line]:
        """What `read` gives, then every later line until the container ends, none lost and none twice.

        Who reads slowly costs no memory; who is so slow that his place was rotated away misses some.
        """
        past: list[Line] = []
        follower = _Follower(self._open_all(), ended=self._ended)
        if tail is not None:
            past = self.read(tail=tail, since=since, until=until)
            follower.skip()
        self._followers.add(follower)
        try:
            for line in past:
                yield line
            count = 0
            while raw := await follower.next():
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

    def remove(self) -> None:
        """Deletes the files."""
        for age in range(self._files):
            self._file(age).unlink(missing_ok=True)
        self._size = 0

    def _file(self, age: int) -> Path:
        return self._path if age == 0 else self._path.with_name(f"{self._path.name}.{age}")

    def _open_all(self) -> list[BinaryIO]:
        """The files, oldest first; the newest is made, so that a follower has it before its first line."""
        if not self._ended:
            self._path.touch()
        paths = [self._file(age) for age in range(self._files - 1, -1, -1)]
        return [open(path, "rb") for path in paths if path.exists()]

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
        self._file(self._files - 1).unlink(missing_ok=True)
        for age in range(self._files - 2, -1, -1):
            if self._file(age).exists():
                os.replace(self._file(age), self._file(age + 1))
        self._path.touch()
        self._size = 0
        for follower in self._followers:
            # Opened at once: the log may be deleted before he comes to it, and is his to read all the same.
            follower.add(
                os.fdopen(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC), "rb"), most=self._files + 1
            )

    def _stored(self) -> Iterator[bytes]:
        for age in range(self._files - 1, -1, -1):
            try:
                with open(self._file(age), "rb") as file:
                    for raw in file:
                        if raw.endswith(b"\n"):  # else cut off by a full disk or a kill
                            yield raw
            except FileNotFoundError:
                continue


class _Follower:
    """One reader's place in the log: the files that it has yet to read, and news of more."""

    def __init__(self, files: list[BinaryIO], *, ended: bool) -> None:
        self.ended = ended
        self.news = asyncio.Event()
        self._files = collections.deque(files)

    async def next(self) -> bytes:
        """The next line as it is stored, once there is one; b"" at the end."""
        while not (raw := self._readline()) and not self.ended:
            self.news.clear()
            await self.news.wait()
        return raw

    def _readline(self) -> bytes:
        while self._files:
            raw = self._files[0].readline()
            if raw.endswith(b"\n"):
                return raw
            if len(self._files) == 1:
                break
            self._files.popleft().close()
        return b""

    def skip(self) -> None:
        """Go to the end of what there is."""
        while len(self._files) > 1:
            self._files.popleft().close()
        if self._files:
            self._files[0].seek(0, os.SEEK_END)

    def add(self, file: BinaryIO, *, most: int) -> None:
        """Another file was begun; of more than `most`, the oldest are given up."""
        self._files.append(file)
        while len(self._files) > most:
            self._files.popleft().close()

    def close(self) -> None:
        while self._files:
            self._files.popleft().close()


def _between(lines: Iterable[Line], since: float | None, until: float | None) -> Iterator[Line]:
    for line in lines:
        if (since is None or line.time >= since) and (until is None or line.time <= until):
            yield line


def _decode(raw: bytes) -> Line:
    time, stream, data = json.loads(raw)
    return Line(time, stream, data.encode("utf-8", "surrogateescape"))


def _parts(line: bytes) -> list[bytes]:
    return [line[start : start + _MOST_LINE] for start in range(0, len(line), _MOST_LINE)]
