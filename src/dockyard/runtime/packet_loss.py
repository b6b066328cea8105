"""Losing packets on purpose: a socket that never sees what arrives for it, as if its cable were cut."""

import ctypes
import socket
import struct

_IP_MINTTL = 21
_SO_ATTACH_FILTER = 26
_RETURN_NOTHING = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K, 0 bytes of the packet are let in


def drop_everything(sock: socket.socket) -> None:
    """Make the socket lose whatever comes in, acknowledgements and SYNs too; needs no privileges.

    TCP drops segments whose time to live is below the socket's minimum (RFC 5082), and none comes with 255. A
    filter that lets nothing in would do, but 6.18.44 refuses those on TCP to plain users (EPERM).
    """
    if sock.type == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, 255)
    else:
        code = ctypes.create_string_buffer(_RETURN_NOTHING, len(_RETURN_NOTHING))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(code)))


def drop_nothing(sock: socket.socket) -> None:
    """Undo `drop_everything` for a TCP socket; no error if it wasn't done."""
    sock.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, 0)
