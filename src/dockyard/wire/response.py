"""What a handler answers with, and its bytes on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from dockyard.wire.headers import HeaderItems

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Response:
    """A whole answer; its Content-Length is added when it is sent."""

    status: int = 200
    headers: HeaderItems = ()
    body: bytes = b""


@dataclass(slots=True)
class StreamResponse:
    """An answer that is produced while it is sent.

    The headers leave at once, before the first chunk; each chunk is sent as soon as it is there. The
    iterator is cancelled when the client goes away or the server closes, so its `finally` always runs.
    """

    status: int = 200
    headers: HeaderItems = ()
    body: AsyncIterator[bytes] = field(default_factory=lambda: nothing())


async def nothing() -> AsyncIterator[bytes]:
    """Yield no chunk at all."""
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk


def json_response(obj: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return `obj` as compact JSON with the line feed that Go's encoder ends with."""
    body = json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return Response(status, [("Content-Type", "application/json"), *headers], body)


def text_response(text: str, status: int = 200) -> Response:
    """Return plain text, as Go's http.Error does."""
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], text.encode())


def has_no_body(status: int) -> bool:
    """Tell whether HTTP forbids a body (and its length) under this status."""
    return status < 200 or status in (204, 304)


def render_head(status: int, pairs: Iterable[tuple[str, str]], reason: str = "") -> bytes:
    """Return the status line and the header fields, up to and including the empty line.

    Raises:
        ValueError: a field holds a line break, which would let it forge others.
    """
    lines = [f"HTTP/1.1 {status} {reason or _REASONS.get(status, 'Unknown')}"]
    lines.extend(f"{name}: {value}" for name, value in pairs)
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header field holds a line break")
    return (head + "\r\n\r\n").encode("latin-1", "replace")
