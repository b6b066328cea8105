"""What can go wrong between two ends of a connection.

HttpError              the request cannot be served as it came: becomes its status
ClientDisconnectedError     the other side went away (a ConnectionError)
"""

from __future__ import annotations


class HttpError(Exception):
    """A request that HTTP itself forbids; an API may catch it to render it in its own shape."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ClientDisconnectedError(ConnectionError):
    """The client closed the connection before the exchange was complete."""
