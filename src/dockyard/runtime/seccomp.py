"""The filter that sends a program's socket calls to the supervisor, and refuses the ways around it."""

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple


class Calls(NamedTuple):
    """The call numbers of one architecture (source: the kernel's syscall tables)."""

    audit_arch: int
    seccomp: int
    socket: int
    bind: int
    connect: int
    listen: int
    sendto: int
    chown: tuple[int, ...]  # every call that gives a file to somebody


X86_64 = Calls(
    0xC000003E, seccomp=317, socket=41, bind=49, connect=42, listen=50, sendto=44, chown=(92, 93, 94, 260)
)
ARM64 = Calls(
    0xC00000B7, seccomp=277, socket=198, bind=200, connect=203, listen=201, sendto=206, chown=(54, 55)
)

# io_uring connects without a system call that a filter could see. The numbers are the same everywhere.
IO_URING = (425, 426, 427)
X32_BIT = 0x40000000

AF_INET, AF_INET6 = 2, 10
_INTERNET_LENGTHS = (16, 28)  # sizeof struct sockaddr_in and sockaddr_in6
_UNIX_LENGTH = 110  # sizeof struct sockaddr_un, the longest that isn't a catch-all like sockaddr_storage

_ALLOW, _NOTIFY, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
_LOAD, _JEQ, _JGT, _JSET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NR, _ARCH = 0, 4  # offsets into struct seccomp_data

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_FLAG_NEW_LISTENER = 1 << 3
# Once the worker has taken a call only a fatal signal ends the wait: no call is made twice (Linux 5.19).
_FLAG_WAIT_KILLABLE = 1 << 5


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


_libc = ctypes.CDLL(None, use_errno=True)


def calls_of(machine: str) -> Calls:
    """Return the call numbers of `machine` (as uname gives it); raises OSError where there are none."""
    if machine == "x86_64":
        return X86_64
    if machine == "aarch64":
        return ARM64
    raise OSError(errno.ENOSYS, f"the virtual network knows x86_64 and aarch64, not {machine}")


def program(calls: Calls, *, traced: bool = False, one_user: bool = False) -> bytes:
    """Return the BPF program for `calls`: an array of struct sock_filter.

    socket() is sent on for the internet families only; bind, connect, listen always, since a filter cannot
    read the address; sendto only when it carries one. x32, foreign architectures and io_uring get ENOSYS.

    With `traced`, a tracer (proot) translates the paths of unix sockets, which it never gets to see when a
    call is sent on to us: calls whose address is as long as no internet address are left to it.

    With `one_user`, every chown() succeeds and does nothing: where a single user exists, the kernel would
    refuse all others, and with them `tar`, package managers and many a Dockerfile.
    """

    def argument(index: int, high: bool = False) -> int:
        return 16 + 8 * index + (4 if high else 0)

    # (operation, operand, label when true, label when false); no label means the next instruction.
    code: list[tuple[int, int, str, str]] = []
    labels: dict[str, int] = {}

    def emit(operation: int, operand: int, true: str = "", false: str = "") -> None:
        code.append((operation, operand, true, false))

    def label(name: str) -> None:
        labels[name] = len(code)

    emit(_LOAD, _ARCH)
    emit(_JEQ, calls.audit_arch, "", "refuse")
    emit(_LOAD, _NR)
    if calls is X86_64:
        emit(_JSET, X32_BIT, "refuse", "")
    for number in IO_URING:
        emit(_JEQ, number, "refuse", "")
    for number in calls.chown if one_user else ():
        emit(_JEQ, number, "pretend", "")
    for number in (calls.bind, calls.connect):
        emit(_JEQ, number, "address" if traced else "notify", "")
    emit(_JEQ, calls.listen, "notify", "")
    emit(_JEQ, calls.sendto, "sendto", "")
    emit(_JEQ, calls.socket, "", "allow")
    emit(_LOAD, argument(0))
    emit(_JEQ, AF_INET, "notify", "")
    emit(_JEQ, AF_INET6, "notify", "allow")
    label("sendto")
    emit(_LOAD, argument(4))
    emit(_JEQ, 0, "", "notify")
    emit(_LOAD, argument(4, high=True))
    emit(_JEQ, 0, "allow", "notify")
    label("address")
    emit(_LOAD, argument(2))
    for length in _INTERNET_LENGTHS:
        emit(_JEQ, length, "notify", "")
    emit(_JGT, _UNIX_LENGTH, "notify", "allow")
    label("refuse")
    emit(_RETURN, _ERRNO | errno.ENOSYS)
    label("pretend")
    emit(_RETURN, _ERRNO | 0)
    label("notify")
    emit(_RETURN, _NOTIFY)
    label("allow")
    emit(_RETURN, _ALLOW)

    def distance(here: int, name: str) -> int:
        return labels[name] - here - 1 if name else 0

    return b"".join(
        struct.pack("=HBBI", operation, distance(i, true), distance(i, false), operand)
        for i, (operation, operand, true, false) in enumerate(code)
    )


def install(*, traced: bool = False, privileged: bool = False, one_user: bool = False) -> int:
    """Put the calling thread under the filter for ever and return the listener (close-on-exec).

    To be called in a forked child right before exec: from here on its own socket calls wait for a supervisor.
    Sets no_new_privs, unless the caller is `privileged`: has CAP_SYS_ADMIN in its user namespace. Raises
    OSError: ENOSYS where the kernel or the architecture has no notifications, EBUSY when the caller is
    already under a filter with a listener.
    """
    calls = calls_of(platform.machine())
    code = program(calls, traced=traced, one_user=one_user)
    buffer = ctypes.create_string_buffer(code, len(code))
    fprog = _Program(len(code) // 8, ctypes.addressof(buffer))
    if not privileged and _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    for flags in (_FLAG_NEW_LISTENER | _FLAG_WAIT_KILLABLE, _FLAG_NEW_LISTENER):
        listener: int = _libc.syscall(calls.seccomp, _SET_MODE_FILTER, flags, ctypes.byref(fprog))
        if listener >= 0:
            return listener
        if ctypes.get_errno() != errno.EINVAL:  # an older kernel doesn't know WAIT_KILLABLE
            break
    code_of_error = ctypes.get_errno()
    raise OSError(code_of_error, f"seccomp: {os.strerror(code_of_error)}")
