"""A container's log as the engine keeps and shows it: the json-file driver, or none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from dockyard.runtime.logs import Line, LogFile
from dockyard.wire.clock import Clock, rfc3339_micro


class ContainerLog:
    """The log of one container, over the container's restarts."""

    def __init__(self, path: Path, clock: Clock, *, kept: bool) -> None:
        """Use the file `path`; nothing is written unless `kept`."""
        self.path = path
        self._clock = clock
        self._kept = kept
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = LogFile(path)

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
        follow: bool = False,
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield (stream, line), the last `tail` of them; with `follow` until the container ends."""
        wanted = {1: stdout, 2: stderr}

        def shown(line: Line) -> bytes:
            # Nine digits always, so that the columns stand below one another.
            stamp = f"{rfc3339_micro(line.time)[:-1]}000Z ".encode() if timestamps else b""
            return stamp + line.data

        if not follow:
            for line in self._file.read(tail=tail, since=since, until=until):
                if wanted.get(line.stream):
                    yield line.stream, shown(line)
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
