"""The body of a request, as it arrives: bounded memory, one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

HIGH_WATER = 256 * 1024


class IncomingBody:
    """A queue of chunks between the connection and the handler.

    `pause(True)` is called when more than HIGH_WATER bytes wait, `pause(False)` when they were read.
    """

    __slots__ = ("_chunks", "_discard", "_error", "_first_read", "_pause", "_size", "_waiter", "complete")

    def __init__(self, pause: Callable[[bool], None], first_read: Callable[[], None] | None = None) -> None:
        self.complete = False
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._pause = pause
        self._first_read = first_read
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._discard = False

    def feed(self, chunk: bytes) -> None:
        if self._discard:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > HIGH_WATER:
            self._pause(True)
        self._wake()

    def finish(self, error: Exception | None = None) -> None:
        """Say that nothing more comes, because all came or because of `error`."""
        if not self.complete:
            self._error = error
            self.complete = error is None
            self._wake()

    def discard(self) -> None:
        """Forget what came and what will come."""
        self._discard = True
        self._chunks.clear()
        self._size = 0
        self._pause(False)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        """Return the next chunk, or b"" at the end.

        Raises:
            HttpError: what came was no valid body.
            ClientDisconnectedError: the client went away in the middle of it.
        """
        if self._first_read is not None:
            announce, self._first_read = self._first_read, None
            if not self.complete:
                announce()
        while not self._chunks:
            if self.complete:
                return b""
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._chunks.popleft()
        before = self._size
        self._size -= len(chunk)
        if before > HIGH_WATER >= self._size:
            self._pause(False)
        return chunk
