"""What carries a container's output to a client: a raw stream, or the messages of a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dockyard.wire.websocket import WebSocket


class Line(Protocol):
    """A connection in both directions."""

    @property
    def closed(self) -> bool: ...

    async def read(self) -> bytes:
        """Return what the client sent, b"" once it has ended its half."""

    def write(self, data: bytes) -> None:
        """Send something. Follow it by `drain`."""

    async def drain(self) -> None:
        """Wait until the client keeps up. Raises ClientDisconnectedError."""

    async def wait_closed(self) -> None:
        """Return once the connection is gone."""


class Messages:
    """A websocket as a line: each piece of output is a binary message, as upstream sends them."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._waiting: list[bytes] = []

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def read(self) -> bytes:
        while (message := await self._socket.receive()) is not None:
            if message:
                return message.encode() if isinstance(message, str) else message
        return b""

    def write(self, data: bytes) -> None:
        self._waiting.append(data)

    async def drain(self) -> None:
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            await self._socket.send(data)

    async def wait_closed(self) -> None:
        while await self.read():
            continue
