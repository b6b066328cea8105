"""The sockets that the worker made for programs, and what it does with its own duplicate of each."""

import ctypes
import errno
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_IP_BIND_ADDRESS_NO_PORT = 24
_MAPPED_PREFIX = b"\0" * 10 + b"\xff\xff"
_INTERRUPT_SECONDS = 0.001
_PATIENCE_MS = 5
_STANDING = {"01", "04", "05", "08"}  # ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT
_RESERVE = 512  # descriptors kept for listeners and what a single call needs

_libc = ctypes.CDLL(None, use_errno=True)


class Held(NamedTuple):
    """A duplicate of a program's socket, and where in the program the socket was put."""

    fd: int
    family: int
    kind: int
    path: str  # /proc/PID/fd/N


def sockaddr(family: int, address: bytes, port: int) -> bytes:
    """Return the struct sockaddr for IPv4 `address`, as ::ffff:a.b.c.d for an IPv6 socket."""
    if family == socket.AF_INET6:
        return struct.pack("=H", family) + port.to_bytes(2) + b"\0" * 4 + _MAPPED_PREFIX + address + b"\0" * 4
    return struct.pack("=H", family) + port.to_bytes(2) + address + b"\0" * 8


def parse_sockaddr(raw: bytes) -> tuple[int, bytes, int]:
    """Return (family, address of 4 or 16 bytes, port); the address is empty if it isn't a whole one.

    An IPv4 address in IPv6 clothes comes back as 4 bytes.
    """
    if len(raw) < 2:
        return 0, b"", 0
    family = int.from_bytes(raw[:2], "little")
    if family == socket.AF_INET and len(raw) >= 8:
        return family, raw[4:8], int.from_bytes(raw[2:4])
    if family == socket.AF_INET6 and len(raw) >= 24:
        address = raw[8:24]
        return (
            family,
            address[12:] if address.startswith(_MAPPED_PREFIX) else address,
            int.from_bytes(raw[2:4]),
        )
    return family, b"", 0


class End(NamedTuple):
    """One end of a TCP connection that stands: IPv4 addresses, and the socket's inode."""

    local: bytes
    remote: bytes
    inode: int


class Sockets:
    """Duplicates by inode. One goes as soon as its socket is bound or connected, or its program loses it."""

    def __init__(self) -> None:
        signal.signal(signal.SIGALRM, lambda *_: None)  # so that it interrupts connect()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = hard if hard != resource.RLIM_INFINITY else 65536
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, 65536)), hard))
        self._most = max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVE)
        self._held: dict[int, Held] = {}
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self._held)

    def create(self, family: int, kind: int, protocol: int, nonblocking: bool) -> int:
        """Return a new socket's descriptor; raises OSError as socket(2) would in the program."""
        flags = socket.SOCK_CLOEXEC | (socket.SOCK_NONBLOCK if nonblocking else 0)
        fd: int = _libc.socket(family, kind | flags, protocol)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "socket")
        return fd

    def keep(self, fd: int, family: int, kind: int, path: str) -> None:
        if len(self._held) >= self._most:
            self.release(next(iter(self._held)))  # the oldest; its program gets by with rewritten addresses
        self._held[os.fstat(fd).st_ino] = Held(fd, family, kind, path)

    def find(self, inode: int) -> Held | None:
        return self._held.get(inode)

    def release(self, inode: int) -> None:
        """Close the duplicate, so that the program's own close really closes."""
        held = self._held.pop(inode, None)
        if held is not None:
            os.close(held.fd)

    def collect(self) -> None:
        """Close duplicates whose socket isn't where it was put any more, for the second time in a row.

        A socket that only moved (dup, passed to a child) loses its duplicate too: its addresses are
        rewritten.
        """
        missing = set()
        for inode, held in self._held.items():
            if inode_at(held.path) != inode:
                missing.add(inode)
        for inode in missing & self._seen:
            self.release(inode)
        self._seen = missing


def inode_at(path: str) -> int:
    """Return the inode of the socket at /proc/PID/fd/N; 0 when there is none or it is no socket."""
    try:
        target = os.readlink(path)
    except OSError:
        return 0
    return int(target[8:-1]) if target.startswith("socket:[") else 0


def is_ipv6_only(held: Held) -> bool:
    with _borrowed(held) as sock:
        return bool(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def port_of(held: Held) -> int:
    """Return the port that the socket has."""
    with _borrowed(held) as sock:
        port: int = sock.getsockname()[1]
        return port


def free_port(address: bytes) -> int:
    """Return a port that was free at IPv4 `address` a moment ago."""
    with socket.socket() as trial:
        trial.bind((socket.inet_ntoa(address), 0))
        port: int = trial.getsockname()[1]
        return port


def is_taken_by_machine(kind: int, port: int) -> bool:
    """Tell whether a program of the machine itself has the port on every address, and so on each of ours."""
    name = "tcp" if kind == socket.SOCK_STREAM else "udp"
    local = f":{port:04X}"
    return any(
        fields[1].endswith(local) and not fields[1].removesuffix(local).strip("0")
        for table in (f"/proc/net/{name}", f"/proc/net/{name}6")
        for fields in _rows(table)
    )


def bind(held: Held, address: bytes, port: int) -> int:
    """Bind to IPv4 `address`, also an IPv6-only socket; returns the errno, 0 when it worked."""
    _accept_ipv4(held)
    raw = sockaddr(held.family, address, port)
    return ctypes.get_errno() if _libc.bind(held.fd, raw, len(raw)) != 0 else 0


def connect(held: Held, source: bytes, targets: Sequence[tuple[bytes, int]]) -> int:
    """Connect from `source` to the first target that listens, without waiting; returns an errno or 0.

    EINPROGRESS: the socket is connecting, whether it blocks or not.
    """
    _accept_ipv4(held)
    if held.kind == socket.SOCK_STREAM:
        with _borrowed(held) as sock:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    local = sockaddr(held.family, source, 0)
    _libc.bind(held.fd, local, len(local))  # fails on a second try: it is bound already
    connect_once = _connect if not os.get_blocking(held.fd) else _connect_briefly
    code = errno.ECONNREFUSED
    for address, port in targets:
        raw = sockaddr(held.family, address, port)
        code = connect_once(held.fd, raw)
        # On loopback the handshake is over before connect() returns, unless the listener's queue is full.
        # Asking connect() again, not SO_ERROR, gives the outcome and leaves the socket fit for another try.
        if code == errno.EINPROGRESS and _is_decided(held.fd, _PATIENCE_MS if len(targets) > 1 else 0):
            code = connect_once(held.fd, raw)
        if code != errno.ECONNREFUSED:
            break
    return 0 if code == errno.EISCONN else code


def _connect(fd: int, raw: bytes) -> int:
    return ctypes.get_errno() if _libc.connect(fd, raw, len(raw)) != 0 else 0


def _connect_briefly(fd: int, raw: bytes) -> int:
    """Connect a socket that blocks, but give up waiting; EINPROGRESS then.

    A timer interrupts the call. Making the socket non-blocking for a moment would be simpler, but the flag is
    the program's too, and would stay with it if we were killed in that moment.
    """
    # It repeats, since the first interrupt may come before the call.
    signal.setitimer(signal.ITIMER_REAL, _INTERRUPT_SECONDS, _INTERRUPT_SECONDS)
    code = _connect(fd, raw)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return errno.EINPROGRESS if code == errno.EINTR else code


def standing() -> Iterator[End]:
    """Yield the ends of this machine's TCP connections."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for fields in _rows(table):
            if fields[3] in _STANDING and fields[9] != "0":
                yield End(_ipv4(fields[1]), _ipv4(fields[2]), int(fields[9]))


def _rows(table: str) -> Iterator[list[str]]:
    try:
        with open(table, encoding="ascii") as file:
            lines = file.readlines()[1:]
    except FileNotFoundError:  # a kernel without IPv6
        return
    for line in lines:
        yield line.split()


def _ipv4(field: str) -> bytes:
    # Words of 32 bits in the machine's byte order; of ::ffff:a.b.c.d the last one counts.
    return bytes.fromhex(field.split(":")[0][-8:])[::-1]


def is_connected(inode: int) -> bool:
    """Tell whether a TCP socket that we hold no duplicate of is connected."""
    return any(end.inode == inode for end in standing())


def listens(address: bytes, port: int) -> bool:
    """Tell whether somebody holds the port at IPv4 `address`, without making a connection."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as trial:
            try:
                trial.bind((socket.inet_ntoa(address), port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
    return False


def _is_decided(fd: int, wait_ms: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(wait_ms))


def _accept_ipv4(held: Held) -> None:
    if held.family == socket.AF_INET6:
        with _borrowed(held) as sock:
            try:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            except OSError:
                pass  # bound already, and then it was cleared then


class _borrowed:  # noqa: N801  reads as what it does
    """A socket object over a descriptor that stays ours."""

    def __init__(self, held: Held) -> None:
        self._sock = socket.socket(held.family, held.kind, 0, held.fd)

    def __enter__(self) -> socket.socket:
        return self._sock

    def __exit__(self, *_: object) -> None:
        self._sock.detach()
