"""Requests out of bytes, one at a time.

Nothing behind a request's end is looked at before its answer is sent: bytes there are still raw when a
handler hijacks the connection, and pipelined requests wait.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from dockyard.wire.errors import HttpError

MAX_HEAD = 64 * 1024
MAX_TARGET = 32 * 1024


class ParserEvents(Protocol):
    """What the connection does as a request arrives."""

    def head_arrived(
        self, method: str, target: str, version: str, headers: list[tuple[str, str]], *, keep_alive: bool
    ) -> None: ...

    def body_arrived(self, chunk: bytes) -> None: ...

    def message_ended(self) -> None: ...


class RequestParser:
    """Wraps httptools so that it stops exactly at the end of each message, upgrades included."""

    def __init__(self, events: ParserEvents) -> None:
        self._events = events
        self._upgrading = False
        self._start()

    def _start(self) -> None:
        self._http = httptools.HttpRequestParser(self)
        self._body_only = False
        self._next()

    def _next(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._head_size = 0
        self._in_head = True
        self._content_left = 0
        self._chunked = False
        self._tail = b""
        self._ended = False

    @property
    def idle(self) -> bool:
        """True between messages."""
        return self._in_head and self._head_size == 0

    def feed(self, data: bytes) -> bytes:
        """Parse `data` up to the end of the current message and return what lies behind it.

        Raises:
            HttpError: 400, 414 or 431; the connection cannot go on.
        """
        while data and not self._ended:
            end = self._piece(data)
            piece, data = (data, b"") if end >= len(data) else (data[:end], data[end:])
            self._feed_piece(piece)
        return data

    def restart(self) -> None:
        """Begin the next message."""
        if self._body_only:
            self._start()
        else:
            self._next()

    def _piece(self, data: bytes) -> int:
        """Return how much of `data` surely belongs to this message.

        A head and a chunked body end with an empty line, so cutting there is always safe.
        """
        if not self._in_head and not self._chunked:
            return self._content_left
        found = (self._tail + data).find(b"\r\n\r\n") if self._tail else data.find(b"\r\n\r\n")
        return len(data) if found < 0 else found + 4 - len(self._tail)

    def _feed_piece(self, piece: bytes) -> None:
        if self._in_head:
            self._head_size += len(piece)
            if self._head_size > MAX_HEAD:
                raise HttpError(431, "Request Header Fields Too Large")
        elif not self._chunked:
            self._content_left -= len(piece)
        was_in_head = self._in_head
        try:
            self._http.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._continue_upgrade()
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, HttpError):
                raise cause from None
            raise HttpError(400, f"Bad Request: {error}") from None
        if was_in_head and not self._in_head:
            self._tail = b""
        else:
            self._tail = (self._tail + piece)[-3:]

    def _continue_upgrade(self) -> None:
        """Read the body of a request that asks for an upgrade: httptools takes it for upgraded data."""
        self._body_only = True
        if not self._content_left and not self._chunked:
            self._end()
            return
        self._http = httptools.HttpRequestParser(self)
        framing = "Transfer-Encoding: chunked" if self._chunked else f"Content-Length: {self._content_left}"
        self._http.feed_data(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode())

    def _end(self) -> None:
        self._ended = True
        self._events.message_ended()

    # Callbacks of httptools.

    def on_url(self, url: bytes) -> None:
        if not self._body_only:
            self._target += url
            if len(self._target) > MAX_TARGET:
                raise HttpError(414, "Request URI Too Long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._body_only and self._in_head:
            self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self._body_only:
            return
        self._in_head = False
        length = 0
        hosts = 0
        for name, value in self._headers:
            key = name.lower()
            if key == "content-length":
                length = int(value) if value.isdigit() else 0
            elif key == "transfer-encoding":
                self._chunked = True
            elif key == "host":
                hosts += 1
        version = self._http.get_http_version()
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            raise HttpError(
                400,
                "Bad Request: missing required Host header"
                if not hosts
                else "Bad Request: too many Host headers",
            )
        self._content_left = length
        self._upgrading = self._http.should_upgrade()
        self._events.head_arrived(
            self._http.get_method().decode("latin-1"),
            self._target.decode("utf-8", "surrogateescape"),
            version,
            self._headers,
            keep_alive=self._http.should_keep_alive(),
        )

    def on_body(self, body: bytes) -> None:
        self._events.body_arrived(body)

    def on_message_complete(self) -> None:
        # Of an upgrade httptools reports the end right after the head; see _continue_upgrade.
        if self._body_only or not self._upgrading:
            self._end()
