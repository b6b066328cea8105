"""What the supervisor's worker knows, and where a call may therefore go: pure decisions, no system calls."""

import errno
import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dockyard.runtime import policies
from dockyard.runtime.addresses import IPV6_OFFSET, LOCALHOST_OFFSET, SERVICE_PREFIX, Block

ANY = b"\0\0\0\0"
_DOCKERS_NAME_SERVER = b"\x7f\0\0\x0b"  # 127.0.0.11, where programs may look for it
STREAM, DATAGRAM = 1, 2  # SOCK_STREAM, SOCK_DGRAM


class Outside(NamedTuple):
    """The address is none of ours: the call goes on as the program made it."""


class Dropped(NamedTuple):
    """A real network would drop the packets: the connection is never answered."""


class Refused(NamedTuple):
    """The call fails at once with this errno."""

    errno: int


class Towards(NamedTuple):
    """The call goes from `source` to the first of `targets` that listens."""

    source: bytes
    targets: tuple[tuple[bytes, int], ...]


Route = Outside | Dropped | Refused | Towards


@dataclass
class Sandbox:
    """One network identity; its three addresses as 4 bytes each."""

    name: str
    own: bytes
    groups: frozenset[str]
    outside: bool = True  # whether it reaches the machine and the rest of the world
    host: bool = False  # its calls are the machine's: nothing of them is changed
    virtual: dict[str, bytes] = field(default_factory=dict)  # by group: its address in the group's subnet
    cut: bool = False
    # What it has bound: the kind of socket, the address, the port it asked for -> the port it really has.
    ports: dict[tuple[int, bytes, int], int] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)  # processes that stand still while it is cut off
    localhost: bytes = field(init=False)
    ipv6: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.localhost = bytes((127, self.own[1] + LOCALHOST_OFFSET)) + self.own[2:]
        self.ipv6 = bytes((127, self.own[1] + IPV6_OFFSET)) + self.own[2:]


@dataclass
class Service:
    """A virtual address and port; connections go round its backends."""

    backends: tuple[tuple[bytes, int], ...]
    turn: int = 0


@dataclass
class Subnet:
    """The addresses that a group's members have there; they lead to the members' own."""

    network: ipaddress.IPv4Network
    gateway: bytes


class Tables:
    """Sandboxes, groups, services and cuts, as the daemon last described them by `apply`."""

    def __init__(self) -> None:
        self.ready = False  # between a reset and its end nothing is decided
        self._start(Block(0, 0))

    def _start(self, block: Block) -> None:
        self.block = block
        self.hole = socket.inet_aton(block.hole)
        self.hole_port = 0
        self.dns = socket.inet_aton(block.dns)
        self.gateway = socket.inet_aton(block.gateway)
        self.dns_port = 53
        self.sandboxes: dict[str, Sandbox] = {}
        self._owners: dict[bytes, Sandbox] = {}
        self._services: dict[tuple[bytes, int], dict[str, Service]] = {}
        self._subnets: dict[str, Subnet] = {}
        self._virtual: dict[tuple[str, bytes], Sandbox] = {}
        self._policies: dict[str, policies.Policy] = {}

    def apply(self, message: dict[str, Any]) -> None:
        """Take in one message of the daemon's Network; what refers to a lost sandbox is ignored."""
        operation = message["op"]
        if operation == "reset":
            self._start(Block(message["block"], message["floor"]))
            self.hole_port = message["hole_port"]
            self.dns_port = message["dns_port"]
            self.ready = False
        elif operation == "ready":
            self.ready = True
        elif operation == "attach":
            old = self._detach(message["sandbox"])
            own = socket.inet_aton(message["address"])
            sandbox = Sandbox(message["sandbox"], own, frozenset(message["groups"]))
            if old is not None:
                sandbox.ports, sandbox.stopped = old.ports, old.stopped
            self.sandboxes[sandbox.name] = self._owners[own] = sandbox
            self._place(sandbox, message)
        elif operation == "detach":
            self._detach(message["sandbox"])
        elif operation == "groups" and message["sandbox"] in self.sandboxes:
            sandbox = self.sandboxes[message["sandbox"]]
            sandbox.groups = frozenset(message["groups"])
            self._place(sandbox, message)
        elif operation == "subnet":
            self._set_subnet(message)
        elif operation == "service":
            self._set_service(message)
        elif operation == "policy":
            # It may come before its sandbox, which then has it from its first call on.
            policy = policies.read(message)
            self._policies[message["sandbox"]] = policy
            if policy == policies.OPEN:
                del self._policies[message["sandbox"]]
        elif operation == "bound" and message["sandbox"] in self.sandboxes:
            key = (message["kind"], socket.inet_aton(message["address"]), message["port"])
            self.sandboxes[message["sandbox"]].ports[key] = message["real"]
        elif operation == "stopped" and message["sandbox"] in self.sandboxes:
            self.sandboxes[message["sandbox"]].stopped = set(message["pids"])
        elif operation == "cut" and message["sandbox"] in self.sandboxes:
            self.sandboxes[message["sandbox"]].cut = message["cut"]

    def _detach(self, name: str) -> Sandbox | None:
        sandbox = self.sandboxes.pop(name, None)
        if sandbox is not None:
            self._owners.pop(sandbox.own, None)
            self._unplace(sandbox)
        return sandbox

    def _place(self, sandbox: Sandbox, message: dict[str, Any]) -> None:
        self._unplace(sandbox)
        sandbox.outside = message.get("outside", True)
        sandbox.host = message.get("host", False)
        sandbox.virtual = {
            group: socket.inet_aton(address) for group, address in message.get("addresses", {}).items()
        }
        for key in sandbox.virtual.items():
            self._virtual[key] = sandbox

    def _unplace(self, sandbox: Sandbox) -> None:
        for key in sandbox.virtual.items():
            if self._virtual.get(key) is sandbox:
                del self._virtual[key]

    def _set_subnet(self, message: dict[str, Any]) -> None:
        if message["subnet"] is None:
            self._subnets.pop(message["group"], None)
            return
        network = ipaddress.IPv4Network(message["subnet"])
        self._subnets[message["group"]] = Subnet(network, socket.inet_aton(message["gateway"]))

    def _set_service(self, message: dict[str, Any]) -> None:
        key = (socket.inet_aton(message["address"]), message["port"])
        groups = self._services.setdefault(key, {})
        if message["backends"] is None:
            groups.pop(message["group"], None)
            if not groups:
                del self._services[key]
            return
        backends = tuple((socket.inet_aton(address), port) for address, port in message["backends"])
        turn = groups[message["group"]].turn if message["group"] in groups else 0
        groups[message["group"]] = Service(backends, turn)

    def bind_address(self, sandbox: Sandbox, address: bytes) -> bytes | None:
        """Return where `sandbox` is bound when it asks for IPv4 `address`; None: not one of its own."""
        if address in (ANY, sandbox.own) or address in sandbox.virtual.values():
            return sandbox.own
        if address in (sandbox.localhost, sandbox.ipv6):
            return address
        return sandbox.localhost if address[0] == 127 and not self._is_ours(address) else None

    def port_to_bind(self, sandbox: Sandbox, kind: int, address: bytes, port: int) -> int:
        """Return the port to try first when `sandbox` asks for `port` at one of its addresses."""
        return sandbox.ports.get((kind, address, port), self.block.real_port(port))

    def route(self, sandbox: Sandbox, address: bytes, port: int, kind: int, ipv6: bool = False) -> Route:
        """Decide where `sandbox` gets when it connects to IPv4 `address`; `ipv6`: it asked for ::1 or ::.

        Only what a sandbox has bound can be reached there: else a server of the machine itself that listens
        on 0.0.0.0 would answer in its place.
        """
        if ipv6:
            return self._towards(sandbox, sandbox.ipv6, (sandbox.ipv6, sandbox.own), port, kind)
        if address[:2] == SERVICE_PREFIX:
            return self._route_to_service(sandbox, address, port, kind)
        if address[0] != 127 and address != ANY:
            return self._route_outside(sandbox, address, port, kind)
        if address == _DOCKERS_NAME_SERVER and port == 53:
            address = self.dns
        if address in (sandbox.own, sandbox.ipv6):
            return self._towards(sandbox, address, (address,), port, kind)
        if address == sandbox.localhost or not self._is_ours(address):
            # A server on 0.0.0.0 is bound to the sandbox's own address only, so that is the second try.
            # Differs: a server bound to the Pod's own address alone answers on its localhost too.
            return self._towards(sandbox, sandbox.localhost, (sandbox.localhost, sandbox.own), port, kind)
        if address == self.dns:
            real = self.dns_port if port == 53 else port
            stopped = sandbox.cut or not self._may_leave(sandbox, policies.NAME_SERVER, address, kind, port)
            return Dropped() if stopped else Towards(sandbox.own, ((address, real),))
        if address == self.gateway:
            return self._route_to_machine(sandbox, port, kind)
        return self._route_to_neighbour(sandbox, address, port, kind)

    def route_ipv6_outside(self, sandbox: Sandbox, address: bytes, port: int, kind: int) -> Route:
        """Decide where `sandbox` gets when it connects to an IPv6 address, none of which are ours."""
        if not sandbox.outside:
            return Refused(errno.ENETUNREACH)
        return Outside() if self._may_leave(sandbox, "", address, kind, port) else Refused(errno.ENETUNREACH)

    def _may_leave(self, sandbox: Sandbox, peer: str, address: bytes, kind: int, port: int) -> bool:
        rules = self._policies.get(sandbox.name, policies.OPEN).egress
        return policies.allows(rules, peer, address, kind, port)

    def _may_meet(self, sandbox: Sandbox, other: Sandbox, kind: int, port: int) -> bool:
        """Whether both's policies let one connect to a port of the other; nobody is kept from himself."""
        if sandbox is other:
            return True
        if not self._may_leave(sandbox, other.name, other.own, kind, port):
            return False
        rules = self._policies.get(other.name, policies.OPEN).ingress
        return policies.allows(rules, sandbox.name, sandbox.own, kind, port)

    def _route_to_machine(self, sandbox: Sandbox, port: int, kind: int) -> Route:
        """As through a bridge's gateway: servers of the machine that listen on every address are there."""
        if not sandbox.outside:
            return Refused(errno.ENETUNREACH)
        stopped = sandbox.cut or not self._may_leave(sandbox, "", self.gateway, kind, port)
        return Dropped() if stopped else Towards(sandbox.own, ((self.gateway, port),))

    def _route_outside(self, sandbox: Sandbox, address: bytes, port: int, kind: int) -> Route:
        wanted = ipaddress.IPv4Address(address)
        for group, subnet in self._subnets.items():
            if wanted not in subnet.network:
                continue
            if group not in sandbox.groups:
                return Dropped() if sandbox.outside else Refused(errno.ENETUNREACH)
            if address == subnet.gateway:
                return self._route_to_machine(sandbox, port, kind)
            other = self._virtual.get((group, address))
            if other is None:
                return Refused(errno.EHOSTUNREACH)
            return self._route_to_neighbour(sandbox, other.own, port, kind)
        if not sandbox.outside:
            return Refused(errno.ENETUNREACH)
        return Outside() if self._may_leave(sandbox, "", address, kind, port) else Dropped()

    def _towards(
        self, owner: Sandbox, source: bytes, addresses: tuple[bytes, ...], port: int, kind: int
    ) -> Route:
        targets = [(address, owner.ports.get((kind, address, port))) for address in addresses]
        known = tuple((address, real) for address, real in targets if real is not None)
        if known:
            return Towards(source, known)
        if kind == STREAM:
            return Refused(errno.ECONNREFUSED)
        # A datagram socket is connected whether anybody is there or not.
        return Towards(source, ((addresses[0], self.block.real_port(port)),))

    def _route_to_neighbour(self, sandbox: Sandbox, address: bytes, port: int, kind: int) -> Route:
        other = self._owners.get(address)
        if other is None:
            return Dropped() if address == self.hole else Refused(errno.EHOSTUNREACH)
        if other is not sandbox and (sandbox.cut or other.cut or not sandbox.groups & other.groups):
            return Dropped()
        if not self._may_meet(sandbox, other, kind, port):
            return Dropped()
        return self._towards(other, sandbox.own, (address,), port, kind)

    def _route_to_service(self, sandbox: Sandbox, address: bytes, port: int, kind: int) -> Route:
        by_group = self._services.get((address, port), {})
        service = next((by_group[group] for group in sorted(sandbox.groups) if group in by_group), None)
        if service is None:
            return Dropped()  # no rule for it: it leaves through the default route, and nobody answers
        if not service.backends:
            return Refused(errno.ECONNREFUSED)
        # Differs: the backends of a Service take turns; kube-proxy's iptables mode picks one at random.
        service.turn = (service.turn + 1) % len(service.backends)
        backend, backend_port = service.backends[service.turn]
        if self._is_ours(backend):
            return self._route_to_neighbour(sandbox, backend, backend_port, kind)
        if sandbox.cut or not self._may_leave(sandbox, "", backend, kind, backend_port):
            return Dropped()
        return Towards(sandbox.own, ((backend, backend_port),))

    def _is_ours(self, address: bytes) -> bool:
        number = self.block.number
        return address[0] == 127 and address[1] in (number, number + LOCALHOST_OFFSET, number + IPV6_OFFSET)
