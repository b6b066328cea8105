"""What becomes of each socket call: the answers that the worker gives."""

import errno
import os
import socket
from collections.abc import Callable

from dockyard.runtime import supervisor_sockets as sockets
from dockyard.runtime.notifications import Call, Listener
from dockyard.runtime.seccomp import Calls
from dockyard.runtime.supervisor_sockets import Held, Sockets
from dockyard.runtime.supervisor_tables import (
    DATAGRAM,
    STREAM,
    Dropped,
    Outside,
    Refused,
    Route,
    Sandbox,
    Tables,
    Towards,
)

_IPPROTO_MPTCP = 262
_IPPROTO_ICMP = (1, 58)
_ALL = socket.inet_pton(socket.AF_INET6, "::")
_LOOPBACK = socket.inet_pton(socket.AF_INET6, "::1")
_LONGEST_ADDRESS = 128  # sizeof(struct sockaddr_storage)

OpenMemory = Callable[[int], int]
"""Opens /proc/PID/mem for reading and writing; raises OSError."""

Bound = Callable[[Sandbox, int, bytes, int, int], None]
"""Is told (sandbox, kind, address, port, real port) when a sandbox has bound a port."""


class CallerGoneError(Exception):
    """The caller no longer waits: there is nobody to answer."""


class Answers:
    """Answers calls from what `tables` say; raises OSError for a call that is to fail with that errno."""

    def __init__(
        self, calls: Calls, tables: Tables, held: Sockets, open_memory: OpenMemory, bound: Bound
    ) -> None:
        self._tables = tables
        self._sockets = held
        self._open_memory = open_memory
        self._bound = bound
        self._connect_number = calls.connect
        self._handlers: dict[int, Callable[[Listener, Call, Sandbox], None]] = {
            calls.socket: self._socket,
            calls.bind: self._bind,
            calls.listen: self._listen,
            calls.connect: self._connect,
            calls.sendto: self._sendto,
        }

    def answer(self, listener: Listener, call: Call, sandbox: Sandbox, replayed: bool = False) -> None:
        """Answer `call`; every way out of here has answered it, or nobody waits any more.

        `replayed`: a worker that was killed had begun on it.
        """
        if sandbox.host:
            listener.proceed(call)
            return
        try:
            if replayed and self._is_connected(listener, call):
                listener.answer(call)
                return
            self._handlers[call.number](listener, call, sandbox)
        except CallerGoneError:
            pass
        except OSError as error:
            listener.fail(call, error.errno or errno.ENETDOWN)

    def _socket(self, listener: Listener, call: Call, sandbox: Sandbox) -> None:
        family, flags, protocol = call.args[0], call.args[1], call.args[2] & 0xFFFFFFFF
        kind = flags & 0xF
        if kind not in (socket.SOCK_STREAM, socket.SOCK_DGRAM) or protocol in _IPPROTO_ICMP:
            listener.proceed(call)  # raw and ICMP sockets are the kernel's to allow or refuse
            return
        if protocol == _IPPROTO_MPTCP:  # Go asks for it first and is content with TCP
            raise OSError(errno.EPROTONOSUPPORT, "MPTCP")
        fd = self._sockets.create(family, kind, protocol, bool(flags & socket.SOCK_NONBLOCK))
        try:
            number = listener.inject(call, fd, bool(flags & socket.SOCK_CLOEXEC))
        except OSError:
            os.close(fd)
            raise
        if number is None:
            os.close(fd)
        else:
            self._sockets.keep(fd, family, kind, f"/proc/{call.pid}/fd/{number}")

    def _bind(self, listener: Listener, call: Call, sandbox: Sandbox) -> None:
        family, address, port = sockets.parse_sockaddr(self._read_address(listener, call, 1, 2))
        inode, held = self._find(listener, call)
        if held is None and family not in (socket.AF_INET, socket.AF_INET6):
            listener.proceed(call)
            return
        if not address:  # the kernel takes AF_UNSPEC for 0.0.0.0, which would be the whole machine
            raise OSError(errno.EAFNOSUPPORT if held is None or family else errno.EINVAL, "bind")
        real = self._bind_address(sandbox, address, held)
        if real is None:
            raise OSError(errno.EADDRNOTAVAIL, "bind")
        if held is None:
            self._rewrite_bind(listener, call, sandbox, family, real, port)
            return
        if family != held.family:
            raise OSError(errno.EAFNOSUPPORT if held.family == socket.AF_INET else errno.EINVAL, "bind")
        self._bind_held(sandbox, held, real, port)
        self._sockets.release(inode)
        listener.answer(call)

    def _bind_held(self, sandbox: Sandbox, held: Held, address: bytes, port: int) -> None:
        first = self._tables.port_to_bind(sandbox, held.kind, address, port)
        code = sockets.bind(held, address, first)
        if code == errno.EADDRINUSE:
            # Not all that is bound on the machine can be seen; what the sandbox never bound isn't its own.
            known = (held.kind, address, port) in sandbox.ports
            if not known or sockets.is_taken_by_machine(held.kind, first):
                code = sockets.bind(held, address, 0)
        if code:
            raise OSError(code, "bind")
        real = sockets.port_of(held)
        self._bound(sandbox, held.kind, address, port or real, real)

    def _rewrite_bind(
        self, listener: Listener, call: Call, sandbox: Sandbox, family: int, address: bytes, port: int
    ) -> None:
        # Without a duplicate we learn neither the kind of socket nor the outcome, so we choose beforehand.
        for kind in (STREAM, DATAGRAM):
            real = self._tables.port_to_bind(sandbox, kind, address, port)
            if real == 0 or sockets.is_taken_by_machine(kind, real):
                real = sockets.free_port(address)
            self._bound(sandbox, kind, address, port or real, real)
        self._rewrite(listener, call, 1, sockets.sockaddr(family, address, real))
        listener.proceed(call)

    def _bind_address(self, sandbox: Sandbox, address: bytes, held: Held | None) -> bytes | None:
        if len(address) == 4:
            return self._tables.bind_address(sandbox, address)
        if address == _ALL:
            return sandbox.ipv6 if held is not None and sockets.is_ipv6_only(held) else sandbox.own
        return sandbox.ipv6 if address == _LOOPBACK else None

    def _listen(self, listener: Listener, call: Call, sandbox: Sandbox) -> None:
        inode, held = self._find(listener, call)
        if held is not None and held.kind == socket.SOCK_STREAM:  # never bound: the kernel would take 0.0.0.0
            self._bind_held(sandbox, held, sandbox.own, 0)
            self._sockets.release(inode)
        listener.proceed(call)

    def _connect(self, listener: Listener, call: Call, sandbox: Sandbox) -> None:
        family, address, port = sockets.parse_sockaddr(self._read_address(listener, call, 1, 2))
        if not address:
            listener.proceed(call)
            return
        inode, held = self._find(listener, call)
        route = self._route(sandbox, address, port, held)
        if isinstance(route, Outside):
            self._release_stream(inode, held)
            listener.proceed(call)
        elif isinstance(route, Refused):
            raise OSError(route.errno, "connect")
        elif held is None:
            self._rewrite(listener, call, 1, sockets.sockaddr(family, *self._only_target(route)))
            listener.proceed(call)
        elif family != held.family and (held.kind == STREAM or held.family == socket.AF_INET):
            raise OSError(errno.EAFNOSUPPORT, "connect")
        else:
            if isinstance(route, Dropped):
                route = Towards(sandbox.own, (self._only_target(route),))
            self._connect_held(listener, call, route, inode, held)

    def _connect_held(self, listener: Listener, call: Call, route: Towards, inode: int, held: Held) -> None:
        code = sockets.connect(held, route.source, route.targets)
        if code not in (0, errno.EINPROGRESS, errno.EALREADY):
            raise OSError(code, "connect")  # the duplicate stays: the program may try again
        blocking = os.get_blocking(held.fd)
        self._release_stream(inode, held)
        if code == 0:
            listener.answer(call)
        elif blocking:
            # It is connecting. The kernel's own connect() now waits for that and ignores the address.
            listener.proceed(call)
        else:
            listener.fail(call, code)

    def _release_stream(self, inode: int, held: Held | None) -> None:
        # A datagram socket is often connected again, by getaddrinfo() to each address of its list. Without
        # the duplicate we would have to rewrite that list.
        if held is not None and held.kind == STREAM:
            self._sockets.release(inode)

    def _is_connected(self, listener: Listener, call: Call) -> bool:
        if call.number != self._connect_number:
            return False
        inode, held = self._find(listener, call)
        return held is None and sockets.is_connected(inode)

    # Differs: an address given to sendmsg() or sendmmsg() isn't looked at, so unconnected datagrams sent that
    # way (Node.js' dgram) go to the machine's own loopback.
    def _sendto(self, listener: Listener, call: Call, sandbox: Sandbox) -> None:
        family, address, port = sockets.parse_sockaddr(self._read_address(listener, call, 4, 5))
        if not address:
            listener.proceed(call)
            return
        inode, held = self._find(listener, call)
        route = self._route(sandbox, address, port, held)
        if isinstance(route, Refused):
            raise OSError(route.errno, "sendto")
        if isinstance(route, Outside):
            self._sockets.release(inode)
        elif isinstance(route, Dropped) and held is not None and held.kind == socket.SOCK_DGRAM:
            listener.answer(call, call.args[2])  # lost on the way: the sender doesn't learn of it
            return
        else:
            if held is not None:
                source = route.source if isinstance(route, Towards) else sandbox.own
                if held.kind == socket.SOCK_DGRAM:
                    self._bind_held(sandbox, held, source, 0)
                self._sockets.release(inode)
            self._rewrite(listener, call, 4, sockets.sockaddr(family, *self._only_target(route)))
        listener.proceed(call)

    def _route(self, sandbox: Sandbox, address: bytes, port: int, held: Held | None) -> Route:
        ipv6 = len(address) != 4
        if ipv6 and address not in (_LOOPBACK, _ALL):
            return self._tables.route_ipv6_outside(sandbox, address, port, held.kind if held else STREAM)
        if held is not None:
            return self._tables.route(sandbox, address, port, held.kind, ipv6)
        as_stream = self._tables.route(sandbox, address, port, STREAM, ipv6)
        if isinstance(as_stream, Refused):  # it may be a datagram socket, which is connected all the same
            return self._tables.route(sandbox, address, port, DATAGRAM, ipv6)
        return as_stream

    def _only_target(self, route: Towards | Dropped) -> tuple[bytes, int]:
        # Without our own duplicate there is one try only, so look first who is there.
        if isinstance(route, Dropped):
            return self._tables.hole, self._tables.hole_port
        for address, port in route.targets[:-1]:
            if sockets.listens(address, port):
                return address, port
        return route.targets[-1]

    def _find(self, listener: Listener, call: Call) -> tuple[int, Held | None]:
        inode = sockets.inode_at(f"/proc/{call.pid}/fd/{call.args[0] & 0xFFFFFFFF}")
        self._check(listener, call)
        return inode, self._sockets.find(inode)

    def _read_address(self, listener: Listener, call: Call, pointer: int, length: int) -> bytes:
        size = call.args[length] & 0xFFFFFFFF
        if size > _LONGEST_ADDRESS:
            raise OSError(errno.EINVAL, "address length")
        memory = self._open_memory(call.pid)
        try:
            self._check(listener, call)
            return os.pread(memory, size, call.args[pointer])
        except OSError as error:
            raise OSError(errno.EFAULT, "address") from error
        finally:
            os.close(memory)

    def _rewrite(self, listener: Listener, call: Call, pointer: int, address: bytes) -> None:
        memory = self._open_memory(call.pid)
        try:
            self._check(listener, call)
            os.pwrite(memory, address, call.args[pointer])
        finally:
            os.close(memory)

    def _check(self, listener: Listener, call: Call) -> None:
        if not listener.is_waiting(call):
            raise CallerGoneError
