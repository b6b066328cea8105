"""Losing packets on purpose: a filter on a socket that drops every segment it should receive."""

import ctypes
import socket
import struct

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_RETURN_NOTHING = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K, 0 bytes of the packet are let in


def drop_everything(sock: socket.socket) -> None:
    """Make the socket lose whatever comes in, acknowledgements too, as a cut cable would."""
    code = ctypes.create_string_buffer(_RETURN_NOTHING, len(_RETURN_NOTHING))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(code)))


def drop_nothing(sock: socket.socket) -> None:
    """Undo `drop_everything`; no error if it wasn't done."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    except FileNotFoundError:
        pass  # there was none
