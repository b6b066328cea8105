"""Output of containers on the wire: eight bytes of header before each piece, unless there is a terminal."""

from __future__ import annotations

STDIN, STDOUT, STDERR = 0, 1, 2

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


def frame(stream: int, data: bytes) -> bytes:
    """Return `data` as one frame of `stream`: its number, three zeros, the length in four bytes."""
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def content_type(tty: bool, version: tuple[int, int]) -> str:
    """Return the media type of an output stream; before API 1.42 there was only one."""
    return RAW if tty or version < (1, 42) else MULTIPLEXED
