"""Between a container's process and those attached to it: output to each of them, input from any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from dockyard.engine.frames import STDERR, STDOUT

if TYPE_CHECKING:
    from dockyard.runtime.process import Process

logger = logging.getLogger(__name__)

MAX_WAITING = 64 * 1024 * 1024


class Attachment:
    """One listener's queue of (stream, data)."""

    def __init__(self, *, stdout: bool, stderr: bool) -> None:
        self._wanted = {STDOUT: stdout, STDERR: stderr}
        self._queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._waiting = 0
        self._over = False

    def put(self, stream: int, data: bytes) -> None:
        if data and self._wanted.get(stream) and not self._over:
            self._waiting += len(data)
            if self._waiting > MAX_WAITING:
                logger.warning("attach: a client that does not read was cut off")
                self.end()
            else:
                self._queue.put_nowait((stream, data))

    def end(self) -> None:
        """Let the listener finish once it has read what is there."""
        if not self._over:
            self._over = True
            self._queue.put_nowait(None)

    async def output(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield pieces of output until the process is gone."""
        while (item := await self._queue.get()) is not None:
            self._waiting -= len(item[1])
            yield item


class Streams:
    """One container's streams; they outlive a process, so that a client can attach before the start."""

    def __init__(self) -> None:
        self._attachments: set[Attachment] = set()
        self._process: Process | None = None
        self._early: list[bytes] = []
        self._input_closed = False

    def attach(self, *, stdout: bool, stderr: bool) -> Attachment:
        """Listen to what comes from now on."""
        attachment = Attachment(stdout=stdout, stderr=stderr)
        self._attachments.add(attachment)
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """Stop listening."""
        self._attachments.discard(attachment)
        attachment.end()

    def connect(self, process: Process, record: Callable[[int, bytes], None] | None = None) -> None:
        """Carry a process's streams, to `record` too; input that came early is delivered."""
        self._process = process

        def receive(stream: int, data: bytes) -> None:
            if record is not None:
                record(stream, data)
            for attachment in list(self._attachments):
                attachment.put(stream, data)

        process.subscribe(receive)
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
        for attachment in attachments:
            attachment.end()
