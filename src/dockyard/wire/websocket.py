"""Websockets on an HTTP connection (RFC 6455), framed by wsproto."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from dockyard.wire.errors import ClientDisconnectedError, HttpError
from dockyard.wire.rawstream import RawStream

if TYPE_CHECKING:
    from dockyard.wire.request import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_MESSAGE = 32 * 1024 * 1024
CLOSE_TOO_BIG = 1009


async def accept(request: Request, subprotocols: Sequence[str]) -> WebSocket:
    """See `Request.websocket`."""
    headers = request.headers
    if request.method != "GET" or "websocket" not in headers.tokens("upgrade"):
        raise HttpError(400, "this is no websocket handshake")
    if headers.get("sec-websocket-version") != "13":
        raise HttpError(426, "websocket: unsupported version: 13 not found in 'Sec-Websocket-Version' header")
    key = headers.get("sec-websocket-key")
    if not key:
        raise HttpError(400, "websocket: 'Sec-WebSocket-Key' header is missing")
    offered = [part.strip() for line in headers.getlist("sec-websocket-protocol") for part in line.split(",")]
    offered = [part for part in offered if part]
    chosen = next((name for name in offered if name in subprotocols), None)
    if offered and subprotocols and chosen is None:
        raise HttpError(403, f"websocket: none of the subprotocols {offered} is spoken here")
    digest = hashlib.sha1(key.encode("latin-1") + _GUID).digest()
    pairs = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", base64.b64encode(digest).decode())]
    if chosen is not None:
        pairs.append(("Sec-WebSocket-Protocol", chosen))
    return WebSocket(await request.hijack(101, pairs), chosen)


class WebSocket:
    """Whole messages in both directions; pings are answered while `receive` waits."""

    def __init__(self, stream: RawStream, subprotocol: str | None) -> None:
        self.subprotocol = subprotocol
        self.close_code: int | None = None
        self._stream = stream
        self._frames = Connection(ConnectionType.SERVER)
        self._events = self._frames.events()
        self._parts: list[bytes] = []
        self._size = 0

    async def receive(self) -> bytes | str | None:
        """Return the next message (str when it came as text), or None when the other side has closed."""
        while True:
            for event in self._events:
                if isinstance(event, (TextMessage, BytesMessage)):
                    message = self._collect(event)
                    if message is not None:
                        return message
                elif isinstance(event, Ping):
                    self._stream.write(self._frames.send(event.response()))
                elif isinstance(event, CloseConnection):
                    self.close_code = event.code
                    if self._frames.state is ConnectionState.REMOTE_CLOSING:
                        self._stream.write(self._frames.send(event.response()))
                    return None
                elif isinstance(event, Pong):
                    continue
            if self._frames.state not in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
                return None
            data = await self._stream.read()
            if not data:
                return None
            try:
                self._frames.receive_data(data)
            except RemoteProtocolError:
                await self.close(1002)
                return None
            self._events = self._frames.events()

    def _collect(self, event: TextMessage | BytesMessage) -> bytes | str | None:
        text = isinstance(event, TextMessage)
        data = event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_MESSAGE:
            self._stream.write(self._frames.send(CloseConnection(CLOSE_TOO_BIG, "message too big")))
            raise ClientDisconnectedError("the client sent a websocket message that is too big")
        if not event.message_finished:
            return None
        whole = b"".join(self._parts)
        self._parts, self._size = [], 0
        return whole.decode() if text else whole

    async def send(self, message: bytes | str) -> None:
        """Send one message and wait until the client keeps up.

        Raises:
            ClientDisconnectedError: the connection is gone or closing.
        """
        event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
        try:
            self._stream.write(self._frames.send(event))
        except LocalProtocolError as error:
            raise ClientDisconnectedError("the websocket is closed") from error
        await self._stream.drain()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; the connection itself closes when the handler returns."""
        if self._frames.state is ConnectionState.OPEN:
            self._stream.write(self._frames.send(CloseConnection(code, reason[:120])))

    @property
    def closed(self) -> bool:
        """True once no message can be sent any more."""
        return self._stream.closed or self._frames.state is not ConnectionState.OPEN
