"""Between a container's process and those attached to it: output to each of them, input from any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from dockyard.engine.frames import STDERR, STDOUT

if TYPE_CHECKING:
    from dockyard.runtime.process import Process

HIGH_WATER = 1024 * 1024
LOW_WATER = 256 * 1024


class Attachment:
    """One listener's queue of (stream, data); `stop` hears when it has become too long, or short again."""

    def __init__(self, *, stdout: bool, stderr: bool, stop: Callable[[Attachment, bool], None]) -> None:
        self._wanted = {STDOUT: stdout, STDERR: stderr}
        self._queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._waiting = 0
        self._full = False
        self._stop = stop
        self._over = False

    def put(self, stream: int, data: bytes) -> None:
        if data and self._wanted.get(stream) and not self._over:
            self._waiting += len(data)
            self._queue.put_nowait((stream, data))
            if self._waiting > HIGH_WATER and not self._full:
                self._full = True
                self._stop(self, True)

    def end(self) -> None:
        """Let the listener finish once it has read what is there."""
        if not self._over:
            self._over = True
            self._queue.put_nowait(None)

    async def output(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield pieces of output until the process is gone."""
        while (item := await self._queue.get()) is not None:
            self._waiting -= len(item[1])
            if self._full and self._waiting < LOW_WATER:
                self._full = False
                self._stop(self, False)
            yield item


class Streams:
    """One container's streams; they outlive a process, so that a client can attach before the start.

    A client that is attached and does not read stops the program once a megabyte is waiting, as upstream's
    does: nothing is lost, and nothing piles up here.
    """

    def __init__(self) -> None:
        self._attachments: set[Attachment] = set()
        self._full: set[Attachment] = set()
        self._process: Process | None = None
        self._early: list[bytes] = []
        self._input_closed = False

    def attach(self, *, stdout: bool, stderr: bool) -> Attachment:
        """Listen to what comes from now on."""
        attachment = Attachment(stdout=stdout, stderr=stderr, stop=self._stop)
        self._attachments.add(attachment)
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """Stop listening."""
        self._attachments.discard(attachment)
        self._stop(attachment, False)
        attachment.end()

    def _stop(self, attachment: Attachment, full: bool) -> None:
        were = bool(self._full)
        if full:
            self._full.add(attachment)
        else:
            self._full.discard(attachment)
        if self._process is not None and were != bool(self._full):
            if self._full:
                self._process.pause_output()
            else:
                self._process.resume_output()

    def connect(self, process: Process, record: Callable[[int, bytes], None] | None = None) -> None:
        """Carry a process's streams, to `record` too; input that came early is delivered."""
        self._process = process

        def receive(stream: int, data: bytes) -> None:
            if record is not None:
                record(stream, data)
            for attachment in list(self._attachments):
                attachment.put(stream, data)

        process.subscribe(receive)
        if self._full:
            process.pause_output()
        for data in self._early:
            process.write_stdin(data)
        self._early.clear()
        if self._input_closed:
            process.close_stdin()

    def write(self, data: bytes) -> None:
        """Send input, or keep it until there is a process."""
        if self._process is not None:
            self._process.write_stdin(data)
        elif not self._input_closed:
            self._early.append(data)

    async def drain(self) -> None:
        """Wait until the process has read most of its input."""
        if self._process is not None:
            await self._process.drain_stdin()

    def close_input(self) -> None:
        """End the input, now or when there is a process."""
        self._input_closed = True
        if self._process is not None:
            self._process.close_stdin()

    def disconnect(self) -> None:
        """The process is gone: everybody attached is at the end."""
        self._process = None
        self._early.clear()
        self._input_closed = False
        attachments, self._attachments = self._attachments, set()
        self._full.clear()
        for attachment in attachments:
            attachment.end()
