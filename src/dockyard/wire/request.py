"""One HTTP request, as a handler sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from dockyard.wire.body import IncomingBody
from dockyard.wire.errors import HttpError
from dockyard.wire.headers import HeaderItems, Headers, Query

if TYPE_CHECKING:
    from dockyard.wire.rawstream import RawStream
    from dockyard.wire.websocket import WebSocket

MAX_BODY = 16 * 1024 * 1024


class Takeover(Protocol):
    """The connection's part of a hijack."""

    def hijack(self, status: int, headers: HeaderItems, reason: str) -> RawStream: ...


class Request:
    """A request whose head has arrived; the body may still be on its way."""

    __slots__ = (
        "_body",
        "_connection",
        "_disconnected",
        "_gone",
        "_query",
        "headers",
        "http_version",
        "method",
        "path",
        "path_parameters",
        "peer_certificate",
        "query_string",
        "raw_path",
        "scheme",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: IncomingBody,
        connection: Takeover,
        *,
        scheme: str = "http",
        http_version: str = "1.1",
        peer_certificate: dict[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.raw_path, _, self.query_string = target.partition("?")
        self.path = unquote(self.raw_path) if "%" in self.raw_path else self.raw_path
        self.headers = headers
        self.scheme = scheme
        self.http_version = http_version
        self.peer_certificate = peer_certificate
        self.path_parameters: dict[str, str] = {}
        self._body = body
        self._connection = connection
        self._query: Query | None = None
        self._gone = False
        self._disconnected: asyncio.Event | None = None

    @property
    def query(self) -> Query:
        """The query parameters, percent-decoded."""
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    @property
    def disconnected(self) -> asyncio.Event:
        """Set once the client has gone away (or ended its half without having been hijacked)."""
        if self._disconnected is None:
            self._disconnected = asyncio.Event()
            if self._gone:
                self._disconnected.set()
        return self._disconnected

    def note_disconnected(self) -> None:
        """Called by the connection when the client goes away."""
        self._gone = True
        if self._disconnected is not None:
            self._disconnected.set()

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """Return the whole body.

        Raises:
            HttpError: 413 when it is larger than `limit` bytes, 400 when it is malformed.
            ClientDisconnectedError: the client went away in the middle of it.
        """
        length = self.headers.get("content-length")
        if length.isdigit() and int(length) > limit:
            raise HttpError(413, f"request body is larger than the limit of {limit} bytes")
        parts: list[bytes] = []
        size = 0
        while chunk := await self._body.read():
            size += len(chunk)
            if size > limit:
                raise HttpError(413, f"request body is larger than the limit of {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, without a limit; a slow reader slows the client.

        Raises what `body` raises, except 413.
        """
        while chunk := await self._body.read():
            yield chunk

    async def hijack(self, status: int = 101, headers: HeaderItems = (), reason: str = "") -> RawStream:
        """Answer with `status` and `headers`, and take the connection over as raw bytes.

        Bytes that the client sent behind its request are the first that the stream reads. With 101 a
        `Connection: Upgrade` is added. The stream is closed when the handler returns.

        Raises:
            ClientDisconnectedError: the client is gone already.
        """
        await self.body()
        return self._connection.hijack(status, headers, reason)

    async def websocket(self, subprotocols: Sequence[str] = ()) -> WebSocket:
        """Accept a websocket handshake (RFC 6455), with the first offered subprotocol that we know.

        Raises:
            HttpError: 400 or 426 when this is no handshake; 403 when none of `subprotocols` is offered.
        """
        # Imported here: a daemon that never sees a websocket does not pay for the library.
        from dockyard.wire.websocket import accept

        return await accept(self, subprotocols)
