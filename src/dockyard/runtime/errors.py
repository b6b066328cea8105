"""What can go wrong below the engine and the cluster.

RuntimeFailure
├── StartError      a process could not be started; `code` is the exit code a shell would give (126, 127)
├── NotRunning      the container has no running process to join or to signal
└── NoDriver        no driver that was tried can run a container here
"""

from __future__ import annotations


class RuntimeFailure(Exception):
    """Any failure of the runtime that its callers render for their own API."""


class StartError(RuntimeFailure):
    """A process could not be started; the message is runc's, without the engine's prefix and suffix."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotRunning(RuntimeFailure):
    """The container is not running."""


class NoDriver(RuntimeFailure):
    """No driver works here; the message lists what was tried and why each failed."""
