"""What the Docker Engine API answers when it cannot do what it was asked.

EngineError                  has the status; rendered as {"message": ...}
├── BadParameter       400   the request makes no sense
├── Forbidden          403   never allowed, or not while others use it
├── NotFound           404   no such thing
├── Conflict           409   not in its present state
├── Failed             500   tried, and it did not work; also what upstream answers to a bad integer
├── NotSupported       501   upstream can do it and we cannot, or neither can
└── Unavailable        503   not on this node

Messages are upstream's, word for word.
"""

from __future__ import annotations

from dockyard.wire.http import Response, json_response


class EngineError(Exception):
    """An answer other than success."""

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def render(self) -> Response:
        """Return the answer as it goes over the wire."""
        return json_response({"message": self.message}, self.status)


class BadParameter(EngineError):
    status = 400


class Forbidden(EngineError):
    status = 403


class NotFound(EngineError):
    status = 404


class Conflict(EngineError):
    status = 409


class Failed(EngineError):
    status = 500


class NotSupported(EngineError):
    status = 501


class Unavailable(EngineError):
    status = 503
