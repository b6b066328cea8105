"""A container's log as the engine keeps and shows it: the json-file driver, or none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from dockyard.runtime.logs import Line, LogFile
from dockyard.wire.clock import Clock, rfc3339_micro

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "p": 1000**5}
_TURN = 1000  # lines


def human_size(text: str) -> int | None:
    """Return the bytes that `10m` means (units of 1000, as upstream's log options have them), or None."""
    match = _SIZE.fullmatch(text.strip())
    return None if match is None else int(float(match[1]) * _UNITS[match[2].lower()])


class ContainerLog:
    """The log of one container, over the container's restarts."""

    def __init__(
        self, path: Path, clock: Clock, *, kept: bool, options: Mapping[str, str] | None = None
    ) -> None:
        """Use the file `path`; nothing is written unless `kept`. Of json-file's `options`, those of size."""
        self.path = path
        self._clock = clock
        self._kept = kept
        path.parent.mkdir(parents=True, exist_ok=True)
        most = human_size((options or {}).get("max-size", ""))
        if most is None:
            # Differs: without max-size, a log is kept in two files of 10 MB, not for ever.
            self._file = LogFile(path)
        else:
            self._file = LogFile(path, most_bytes=most, files=int((options or {}).get("max-file") or 1))

    def recorder(self) -> Callable[[int, bytes], None]:
        """Begin the log of a process; return what takes its output."""
        if not self._kept:
            return lambda stream, data: None
        # Nothing, but now the file knows that the container lives: followers wait for its first line.
        self._file.append(1, b"", self._clock.now())
        return lambda stream, data: self._file.append(stream, data, self._clock.now())

    def end(self) -> None:
        """The container has ended: followers come to their end."""
        self._file.end()

    def delete(self) -> None:
        """Remove the file."""
        self._file.end()
        self._file.remove()

    async def read(
        self,
        *,
        stdout: bool,
        stderr: bool,
        since: float | None = None,
        until: float | None = None,
        tail: int | None = None,
        timestamps: bool = False,
        details: bool = False,
        follow: bool = False,
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield (stream, line), the last `tail` of them; with `follow` until the container ends."""
        wanted = {1: stdout, 2: stderr}

        def shown(line: Line) -> bytes:
            # Nine digits always, so that the columns stand below one another.
            stamp = f"{rfc3339_micro(line.time)[:-1]}000Z ".encode() if timestamps else b""
            # There are no details, as upstream has them only for log options that nobody set; their place is.
            return stamp + (b" " if details else b"") + line.data

        if not follow:
            for number, line in enumerate(self._file.lines(tail=tail, since=since, until=until)):
                if wanted.get(line.stream):
                    yield line.stream, shown(line)
                if number % _TURN == 0:
                    await asyncio.sleep(0)  # a long log must not stop everybody else
            return
        lines = self._file.follow(tail=tail, since=since, until=until)
        try:
            async for line in lines:
                if wanted.get(line.stream):
                    yield line.stream, shown(line)
        finally:
            close = getattr(lines, "aclose", None)
            if close is not None:
                await close()
