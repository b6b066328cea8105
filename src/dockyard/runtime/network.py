"""The virtual network, as the daemon sees it: sandboxes, groups, names, services, cuts, published ports."""

import asyncio
import collections
import errno
import functools
import json
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.runtime import policies
from dockyard.runtime.addresses import Block, claim_block, localhost_of
from dockyard.runtime.dns import Names, NameServer
from dockyard.runtime.packet_loss import drop_everything
from dockyard.runtime.publish import AddressInUse, Publisher

__all__ = ["AddressInUse", "Network", "Sandbox", "UnknownSandboxError"]

logger = logging.getLogger(__name__)


class UnknownSandboxError(LookupError):
    """No sandbox of this name is attached."""


@dataclass(frozen=True)
class Sandbox:
    """What its processes are given: their address, the one behind their 127.0.0.1, and /etc/resolv.conf."""

    name: str
    address: str
    localhost: str
    resolv_conf: str


@dataclass
class _Member:
    sandbox: Sandbox
    groups: set[str]
    search: tuple[str, ...]
    outside: bool = True
    addresses: dict[str, str] = field(default_factory=dict)  # by group, in the group's subnet
    host: bool = False
    # (kind of socket, address, port asked for) -> the port it really has; only what has been bound.
    ports: dict[tuple[int, str, int], int] = field(default_factory=dict)
    stopped: list[int] = field(default_factory=list)  # processes that the worker has stopped for a cut
    connected: asyncio.Event = field(default_factory=asyncio.Event)  # clear while the sandbox is cut off


class Network:
    """One home's network. Changes are synchronous and count for every call that a program makes afterwards.

    `worker_end` is handed to the parent, whose workers inherit it; after a worker's restart everything is
    said again. Raises OSError when the machine has no free block of addresses.
    """

    def __init__(self, home: Path) -> None:
        self.block: Block
        self.block, self._lock = claim_block(str(home))
        self._channel, self.worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._unsent: collections.deque[bytes] = collections.deque()
        self._members: dict[str, _Member] = {}
        self._places: dict[str, str] = {}  # a sandbox's own address -> its name
        self._next_index = 0
        self._services: dict[tuple[str, str, int], list[tuple[str, int]]] = {}
        self._policies: dict[str, dict[str, Any]] = {}
        self._subnets: dict[str, tuple[str, str]] = {}
        self._names = Names()
        self._name_server = NameServer(self._names, self._asker)
        self._hole = self._dig_hole()
        self._publisher = Publisher(self.block.gateway)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to answer DNS queries and to supply workers, on the running loop."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._name_server.start(self.block.dns, self.block.real_port(53))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            await self._name_server.start(
                self.block.dns, 0
            )  # the machine's own name server has 53 everywhere
        self._loop.add_reader(self._channel, self._hear_worker)

    async def close(self) -> None:
        """Give up every port and address."""
        await self._publisher.close()
        await self._name_server.close()
        if self._loop is not None:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
        for held in (self._channel, self.worker_end, *self._hole, self._lock):
            held.close()

    # Sandboxes and groups

    def attach(
        self,
        sandbox: str,
        *,
        groups: Iterable[str] = (),
        address: str | None = None,
        search: Sequence[str] = (),
        ndots: int | None = None,
        outside: bool = True,
        addresses: Mapping[str, str] | None = None,
        host: bool = False,
    ) -> Sandbox:
        """Add a sandbox; one that is there already keeps its address and gets these groups.

        `address` asks for one that it had before; it gets another if that is taken or not of this home's
        block. `addresses` are its further ones by group, out of the group's subnet. Without `outside` it
        reaches nothing but its groups. `host` makes it no sandbox at all: its programs' calls are the
        machine's.
        """
        old = self._members.get(sandbox)
        own = old.sandbox.address if old else self._allocate(address)
        lines = [f"nameserver {self.block.dns}"]
        if search:
            lines.append(f"search {' '.join(search)}")
        lines.append(f"options ndots:{(5 if search else 0) if ndots is None else ndots}")
        text = _machines_resolv_conf() if host else "\n".join(lines) + "\n"
        described = Sandbox(sandbox, own, localhost_of(own), text)
        member = _Member(described, set(groups), tuple(search), outside, dict(addresses or {}), host)
        if old is not None:
            member.connected, member.ports, member.stopped = old.connected, old.ports, old.stopped
        else:
            member.connected.set()
        self._members[sandbox] = member
        self._places[own] = sandbox
        self._announce(member)
        return described

    def sandbox(self, sandbox: str) -> Sandbox:
        """Return what an attached sandbox was given; raises UnknownSandboxError."""
        return self._member(sandbox).sandbox

    def detach(self, sandbox: str) -> None:
        """Forget a sandbox, its address and its published ports; one that is not there is no error."""
        member = self._members.pop(sandbox, None)
        if member is not None:
            del self._places[member.sandbox.address]
            self._publisher.forget(sandbox)
            self._push({"op": "detach", "sandbox": sandbox})

    def join(self, sandbox: str, group: str, address: str = "") -> None:
        """Let the sandbox reach and be reached by the group's others, and see its names.

        `address` is its further one, out of the group's subnet.
        """
        member = self._member(sandbox)
        member.groups.add(group)
        if address:
            member.addresses[group] = address
        self._push_groups(member)

    def leave(self, sandbox: str, group: str) -> None:
        """Undo `join`. Differs: connections that stand already go on after `docker network disconnect`."""
        member = self._member(sandbox)
        member.groups.discard(group)
        member.addresses.pop(group, None)
        self._push_groups(member)

    def set_outside(self, sandbox: str, outside: bool) -> None:
        """Let the sandbox reach the machine and the rest of the world, or its groups only."""
        member = self._member(sandbox)
        member.outside = outside
        self._push_groups(member)

    def set_subnet(self, group: str, subnet: str, gateway: str) -> None:
        """Give a group addresses such as 172.30.0.0/24, for `addresses`; the machine is at `gateway`."""
        self._subnets[group] = subnet, gateway
        self._push({"op": "subnet", "group": group, "subnet": subnet, "gateway": gateway})

    def remove_subnet(self, group: str) -> None:
        """Undo `set_subnet`; a group without one is no error."""
        if self._subnets.pop(group, None) is not None:
            self._push({"op": "subnet", "group": group, "subnet": None})

    # Names and services

    def set_names(self, group: str, names: Mapping[str, Sequence[str]]) -> None:
        """Let `group` resolve these names to these IPv4 addresses; an empty list removes a name."""
        self._names.set_addresses(group, names)

    def set_srv(self, group: str, name: str, targets: Sequence[tuple[str, int]]) -> None:
        """Let `group` resolve the SRV record `name` (`_http._tcp.web`) to (name, port); empty removes it."""
        self._names.set_srv(group, name, targets)

    def set_alias(self, group: str, name: str, target: str) -> None:
        """Let a name of `group` stand for another one (CNAME), also one of the outside; empty removes it."""
        self._names.set_alias(group, name, target)

    def set_service(self, group: str, address: str, port: int, backends: Sequence[tuple[str, int]]) -> None:
        """Let connections of `group` to a virtual address (10.96.x.y) go round `backends`; none: refused.

        A backend is a sandbox's address, or any other that is taken as it stands (127.0.0.1 is the machine's
        own).
        """
        self._services[group, address, port] = list(backends)
        self._push(self._service_message(group, address, port))

    def remove_service(self, group: str, address: str, port: int) -> None:
        """Forget a virtual address's port: connections to it are no longer answered."""
        self._services.pop((group, address, port), None)
        self._push({"op": "service", "group": group, "address": address, "port": port, "backends": None})

    # Policies

    def set_policy(
        self, sandbox: str, ingress: list[dict[str, Any]] | None, egress: list[dict[str, Any]] | None
    ) -> None:
        """Let a sandbox take and make new connections by these rules only; None: all of that direction.

        A rule is {"ports": None or [kind of socket, first, last] each, "sandboxes": None for everybody or
        names, "blocks": [cidr, [cidr, ...]] each, an address range and what of it doesn't count}. A sandbox
        always reaches itself, and the node reaches it by `dial`. It may be set before the sandbox is there.
        Differs: connections that stand when a network policy comes go on.
        """
        policy = {"sandbox": sandbox, "ingress": ingress, "egress": egress}
        if len(json.dumps(policy)) > policies.LONGEST:
            # Differs: network policies that name more than some three thousand Pods let nobody pass.
            logger.error("sandbox %s: its network policies are too long, so nothing passes", sandbox)
            closed: list[dict[str, Any]] = []
            policy |= {key: closed for key, rules in (("ingress", ingress), ("egress", egress)) if rules}
        if ingress is None and egress is None:
            if self._policies.pop(sandbox, None) is None:
                return
        else:
            self._policies[sandbox] = policy
        self._push({"op": "policy", **policy})

    # Faults

    def cut(self, sandboxes: Iterable[str]) -> None:
        """Cut sandboxes off from all others: packets are lost, so new connections and standing ones hang.

        What a sandbox does with itself goes on, and so does what the node does with it (`dial`, so probes).
        Idempotent, and still so after a restart of the worker; unknown names are ignored. Differs: where the
        kernel lets no one but the program itself reach its sockets (an unprivileged container), a cut stops
        the processes that hold a connection (SIGSTOP), so they stand still altogether.
        """
        self._set_cut(sandboxes, cut=True)

    def restore(self, sandboxes: Iterable[str]) -> None:
        """Undo `cut`: what stood still goes on as soon as TCP sends again."""
        self._set_cut(sandboxes, cut=False)

    def _set_cut(self, sandboxes: Iterable[str], cut: bool) -> None:
        for name in sandboxes:
            member = self._members.get(name)
            if member is None:
                continue
            if cut:
                member.connected.clear()
            else:
                member.connected.set()
            self._push({"op": "cut", "sandbox": name, "cut": cut})

    # From outside

    def real_port(self, sandbox: str, port: int) -> int:
        """Return the TCP port that a server in `sandbox` really has, or would have, when it bound `port`.

        Another one than `port` where the machine needs that itself, or the user may not bind it.
        """
        member = self._member(sandbox)
        key = (socket.SOCK_STREAM, member.sandbox.address, port)
        return member.ports.get(key, self.block.real_port(port))

    async def dial(
        self, sandbox: str, port: int, *, localhost: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect from the node to a sandbox's port; `localhost`: also on its 127.0.0.1 (port-forward).

        Raises OSError (ConnectionRefusedError) as connecting does, UnknownSandboxError.
        """
        described = self._member(sandbox).sandbox
        if localhost:
            try:
                return await asyncio.open_connection(*self._server(sandbox, described.localhost, port))
            except ConnectionRefusedError:
                pass  # a server on 0.0.0.0 has the sandbox's own address only
        return await asyncio.open_connection(*self._server(sandbox, described.address, port))

    async def publish(
        self, host: str, port: int, sandbox: str, target_port: int, protocol: str = "tcp"
    ) -> int:
        """Forward connections to the machine's `host`:`port` (0: any free one) and return the port.

        `protocol` is tcp or udp. Raises AddressInUse, PermissionError (a low port), UnknownSandboxError.
        """
        member = self._member(sandbox)
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        target = functools.partial(self._server, sandbox, member.sandbox.address, target_port, kind)
        return await self._publisher.publish(host, port, sandbox, target, member.connected, protocol)

    async def unpublish(self, host: str, port: int, protocol: str = "tcp") -> None:
        """Stop forwarding; connections that stand are closed. What isn't published is no error."""
        await self._publisher.unpublish(host, port, protocol)

    # Inside

    def _member(self, sandbox: str) -> _Member:
        try:
            return self._members[sandbox]
        except KeyError:
            raise UnknownSandboxError(f"no sandbox {sandbox!r} on the network") from None

    def _server(
        self, sandbox: str, address: str, port: int, kind: int = socket.SOCK_STREAM
    ) -> tuple[str, int]:
        """Return where a server of the sandbox is; nobody else's, who may have the port on every address."""
        real = self._member(sandbox).ports.get((kind, address, port))
        if real is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return address, real

    def _allocate(self, wanted: str | None) -> str:
        if (
            wanted is not None
            and wanted.startswith(f"127.{self.block.number}.")
            and wanted not in self._places
        ):
            return wanted
        while True:
            # Never reuse an address while there are fresh ones: a client may still hold the old one.
            index, self._next_index = self._next_index, self._next_index + 1
            try:
                address = self.block.sandbox(index)
            except OSError:
                if len(self._places) > index - 1:
                    raise
                self._next_index = 0
                continue
            if address not in self._places:
                return address

    def _asker(self, address: str) -> tuple[frozenset[str], bool] | None:
        """Return the groups of the sandbox that asks from `address`, and whether it may be answered."""
        first, second, rest = address.split(".", 2)
        own = f"{first}.{self.block.number}.{rest}"
        if own not in self._places or int(second) not in self.block.octets:
            return None
        member = self._members[self._places[own]]
        return frozenset(member.groups), member.connected.is_set()

    def _dig_hole(self) -> tuple[socket.socket, socket.socket]:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        for sock in (tcp, udp):
            drop_everything(sock)
        tcp.bind((self.block.hole, 0))
        tcp.listen(1)
        udp.bind(tcp.getsockname())
        return tcp, udp

    # The worker

    def _hear_worker(self) -> None:
        try:
            raw = self._channel.recv(4096)
        except (BlockingIOError, ConnectionResetError):
            return
        if not raw:
            if self._loop is not None:
                self._loop.remove_reader(self._channel)
            return
        message = json.loads(raw)
        if message["op"] == "hello":
            self._say_everything()
            return
        member = self._members.get(message["sandbox"])
        if member is None:
            return  # detached meanwhile
        if message["op"] == "bound":
            member.ports[message["kind"], message["address"], message["port"]] = message["real"]
        elif message["op"] == "stopped":
            member.stopped = message["pids"]
        elif message["op"] == "idle":
            member.ports.clear()

    def _say_everything(self) -> None:
        self._unsent.clear()
        self._push(
            {
                "op": "reset",
                "block": self.block.number,
                "floor": self.block.floor,
                "hole_port": self._hole[0].getsockname()[1],
                "dns_port": self._name_server.address[1],
            }
        )
        for group, (subnet, gateway) in self._subnets.items():
            self._push({"op": "subnet", "group": group, "subnet": subnet, "gateway": gateway})
        for member in self._members.values():
            self._announce(member)
        for policy in self._policies.values():
            self._push({"op": "policy", **policy})
        for key in self._services:
            self._push(self._service_message(*key))
        self._push({"op": "ready"})

    def _announce(self, member: _Member) -> None:
        name, address = member.sandbox.name, member.sandbox.address
        self._push({"op": "attach", "address": address, **self._place_of(member)})
        for (kind, bound, port), real in member.ports.items():
            known = {"sandbox": name, "kind": kind, "address": bound, "port": port, "real": real}
            self._push({"op": "bound", **known})
        if member.stopped:
            self._push({"op": "stopped", "sandbox": name, "pids": member.stopped})
        if not member.connected.is_set():
            self._push({"op": "cut", "sandbox": name, "cut": True})

    def _push_groups(self, member: _Member) -> None:
        self._push({"op": "groups", **self._place_of(member)})

    def _place_of(self, member: _Member) -> dict[str, Any]:
        return {
            "sandbox": member.sandbox.name,
            "groups": sorted(member.groups),
            "outside": member.outside,
            "addresses": member.addresses,
            "host": member.host,
        }

    def _service_message(self, group: str, address: str, port: int) -> dict[str, Any]:
        backends = self._services[group, address, port]
        return {"op": "service", "group": group, "address": address, "port": port, "backends": backends}

    def _push(self, message: dict[str, Any]) -> None:
        self._unsent.append(json.dumps(message).encode())
        self._send()

    def _send(self) -> None:
        while self._unsent:
            try:
                self._channel.send(self._unsent[0])
            except BlockingIOError:  # no worker has read for a while
                if self._loop is not None:
                    self._loop.add_writer(self._channel, self._send)
                return
            except (BrokenPipeError, ConnectionResetError):
                self._unsent.clear()  # the parent is gone, and its containers with it
                return
            self._unsent.popleft()
        if self._loop is not None:
            self._loop.remove_writer(self._channel)


def _machines_resolv_conf() -> str:
    try:
        return Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
