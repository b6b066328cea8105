"""The kernel's side of a seccomp listener: take a call, answer it, put a socket into the program."""

import ctypes
import errno
import fcntl
import os
import struct
from typing import NamedTuple

_RECV, _SEND, _ID_VALID, _ADDFD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
RECORD_SIZE = _NOTIFICATION.size

_libc = ctypes.CDLL(None, use_errno=True)


class Call(NamedTuple):
    """One system call that waits for its answer. `pid` is the calling thread's."""

    id: int
    pid: int
    number: int
    args: tuple[int, int, int, int, int, int]


def parse(record: bytes) -> Call:
    fields = _NOTIFICATION.unpack(record)
    return Call(fields[0], fields[1], fields[3], fields[6:])


class Listener:
    """A listener's descriptor, which it owns. The caller may be gone at any moment."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        os.close(self.fd)

    def receive(self, record: ctypes.Array[ctypes.c_char]) -> Call | None:
        """Take the next call into `record` (zeroed, in memory that outlives us); None when it went away."""
        while _libc.ioctl(self.fd, ctypes.c_ulong(_RECV), record) != 0:
            code = ctypes.get_errno()
            if code == errno.ENOENT:  # a signal ended the call before we took it
                return None
            if code != errno.EINTR:
                raise OSError(code, "taking a call")
        return parse(record.raw)

    def is_waiting(self, call: Call) -> bool:
        """Tell whether the caller still waits: then what was read from its /proc entry was its own."""
        try:
            fcntl.ioctl(self.fd, _ID_VALID, struct.pack("=Q", call.id))
        except OSError:
            return False
        return True

    def answer(self, call: Call, value: int = 0) -> None:
        """Make the call return `value`."""
        self._send(struct.pack("=QqiI", call.id, value, 0, 0))

    def fail(self, call: Call, code: int) -> None:
        """Make the call fail with errno `code`."""
        self._send(struct.pack("=QqiI", call.id, 0, -code, 0))

    def proceed(self, call: Call) -> None:
        """Let the kernel carry the call out as it stands."""
        self._send(struct.pack("=QqiI", call.id, 0, 0, _CONTINUE))

    def _send(self, response: bytes) -> None:
        try:
            fcntl.ioctl(self.fd, _SEND, response)
        except OSError as error:
            if error.errno != errno.ENOENT:  # ENOENT: nobody waits any more
                raise

    def inject(self, call: Call, fd: int, close_on_exec: bool) -> int | None:
        """Put `fd` into the caller's table and return its number there, as the call does; None: nobody waits.

        Raises OSError (EMFILE) when the caller's table is full; the call then still waits.
        """
        flags = os.O_CLOEXEC if close_on_exec else 0
        # SECCOMP_ADDFD_FLAG_SEND would answer in the same step, but if we are killed inside it the caller is
        # answered without the socket: its socket() returns 0.
        request = bytearray(struct.pack("=QIIII", call.id, 0, fd, 0, flags))
        try:
            number: int = fcntl.ioctl(self.fd, _ADDFD, request)  # a mutable buffer gives the number
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINPROGRESS):
                return None
            raise
        self.answer(call, number)
        return number
