"""JSON messages with file descriptors over a SOCK_SEQPACKET socket."""

from __future__ import annotations

import array
import json
import os
import socket
from typing import Any

_MOST_BYTES = 65536
_MOST_FDS = 8


def send(sock: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """Sends one message; the receiver gets duplicates of `fds`."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([json.dumps(message).encode()], rights)


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its descriptors (close-on-exec, the caller's to close); None at the end."""
    try:
        data, ancillary, flags, _ = sock.recvmsg(
            _MOST_BYTES, socket.CMSG_SPACE(4 * _MOST_FDS), socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionResetError:
        return None
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for fd in fds:
            os.close(fd)
        raise ValueError("a message between daemon and parent was cut off")
    if not data:
        return None
    message: dict[str, Any] = json.loads(data)
    return message, list(fds)
