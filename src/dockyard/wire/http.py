"""HTTP/1.1 for both APIs: the names that the rest of dockyard imports."""

from __future__ import annotations

from dockyard.wire.errors import ClientDisconnectedError, HttpError
from dockyard.wire.headers import Headers, Query
from dockyard.wire.rawstream import RawStream
from dockyard.wire.request import Request
from dockyard.wire.response import Response, StreamResponse, json_response, text_response
from dockyard.wire.server import Handler, Server

__all__ = [
    "ClientDisconnectedError",
    "Handler",
    "Headers",
    "HttpError",
    "Query",
    "RawStream",
    "Request",
    "Response",
    "Server",
    "StreamResponse",
    "json_response",
    "text_response",
]
