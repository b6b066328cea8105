"""A connection after HTTP: raw bytes in both directions, each with its own end."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections import deque
from collections.abc import Callable

from dockyard.wire.flow import Flow

HIGH_WATER = 256 * 1024


class RawStream:
    """What `Request.hijack` returns; it closes when the handler returns.

    Over TLS there is no half-close: `write_eof` then does nothing.
    """

    def __init__(self, transport: asyncio.Transport, flow: Flow, pause: Callable[[bool], None]) -> None:
        self._transport = transport
        self._flow = flow
        self._pause = pause
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._eof = False
        self._waiter: asyncio.Future[None] | None = None
        self._closed = asyncio.Event()

    # The connection's side.

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER:
            self._pause(True)
        self._wake()

    def feed_eof(self) -> None:
        self._eof = True
        self._wake()

    def lose(self) -> None:
        self._closed.set()
        self.feed_eof()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The handler's side.

    @property
    def closed(self) -> bool:
        """True once the connection is gone in both directions."""
        return self._closed.is_set()

    async def read(self, n: int = 65536) -> bytes:
        """Return up to `n` bytes as soon as some are there; b"" once the other side has ended its half."""
        while not self._chunks:
            if self._eof:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._chunks.popleft()
        if len(data) > n:
            self._chunks.appendleft(data[n:])
            data = data[:n]
        before = self._size
        self._size -= len(data)
        if before > HIGH_WATER >= self._size:
            self._pause(False)
        return data

    def write(self, data: bytes) -> None:
        """Send `data`; it is dropped when the connection is gone. Follow it by `drain`."""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client keeps up.

        Raises:
            ClientDisconnectedError: the connection is gone.
        """
        await self._flow.drain()

    def unread(self) -> int:
        """Return how many sent bytes the other side has not taken yet (of TCP: has not got, tcp(7))."""
        connection = self._transport.get_extra_info("socket")
        if connection is None or self._transport.is_closing():
            return 0
        answer = bytearray(4)
        fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, answer, True)
        return int.from_bytes(answer, sys.byteorder)

    def write_eof(self) -> None:
        """End our half; the other side can still send."""
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Send what was written, then close both halves."""
        if not self._transport.is_closing():
            self._transport.close()

    async def wait_closed(self) -> None:
        """Return once the connection is gone."""
        await self._closed.wait()
