"""The channels of exec and attach on one websocket: a first byte says which stream a message belongs to.

v5.channel.k8s.io adds channel 255, on which a client closes another channel; otherwise it is v4.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from dockyard.cluster.store import Manifest
from dockyard.wire.http import ClientDisconnectedError, Request
from dockyard.wire.websocket import WebSocket

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


class Channels:
    """Output goes out in order from one queue; input and sizes come in through callbacks."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._outgoing: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()

    @classmethod
    async def accept(cls, request: Request) -> Channels:
        """Take over the connection."""
        return cls(await request.websocket(PROTOCOLS))

    def send(self, channel: int, data: bytes) -> None:
        """Queue a message."""
        self._outgoing.put_nowait((channel, data))

    def finish(self, status: Manifest) -> None:
        """Queue the outcome, and the end after it."""
        self.send(ERROR, json.dumps(status, separators=(",", ":")).encode())
        self._outgoing.put_nowait(None)

    async def pump(self) -> None:
        """Send what is queued until the end, then say goodbye."""
        while (message := await self._outgoing.get()) is not None:
            channel, data = message
            await self._socket.send(bytes([channel]) + data)
        await self._socket.close()

    async def listen(
        self,
        on_stdin: Callable[[bytes], None],
        on_stdin_end: Callable[[], None],
        on_resize: Callable[[int, int], None],
    ) -> None:
        """Hand on what the client sends, until it goes away."""
        try:
            while (message := await self._socket.receive()) is not None:
                data = message.encode() if isinstance(message, str) else message
                if not data:
                    continue
                if data[0] == STDIN:
                    on_stdin(data[1:])
                elif data[0] == RESIZE:
                    size = json.loads(data[1:])
                    on_resize(int(size.get("Height", 24)), int(size.get("Width", 80)))
                elif data[0] == CLOSE and data[1:2] == bytes([STDIN]):
                    on_stdin_end()
        except (ClientDisconnectedError, ValueError):
            return
