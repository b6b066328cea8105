"""kube-proxy: lets Service addresses and node ports lead to ready endpoints, a little after they changed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Iterable
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.node.ports import Network
from dockyard.cluster.node.services import GROUP
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import Clock, Timer

SERVICE_NAME = "kubernetes.io/service-name"
# The reaction that was measured on a real cluster: a first change after some 50 ms, the next not within 1 s.
FIRST_SECONDS = 0.05
BETWEEN_SECONDS = 1.0
_CHUNK = 65536

logger = logging.getLogger(__name__)


class Frontend(NamedTuple):
    """A Service's address and port, and its node port when it has one (else 0)."""

    address: str
    port: int
    node_port: int


class Backend(NamedTuple):
    """An endpoint's address and port, and the uid of its Pod ("" without one)."""

    address: str
    port: int
    pod: str


Table = dict[Frontend, tuple[Backend, ...]]


def backends_of(slices: Iterable[Manifest], port_name: str) -> tuple[Backend, ...]:
    """Where connections to a port may go: ready endpoints, else those that still serve while terminating."""
    ready, leaving = [], []
    for found in slices:
        number = next(
            (p["port"] for p in found.get("ports") or () if (p.get("name") or "") == port_name), None
        )
        if number is None:
            continue
        for endpoint in found.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            uid = (endpoint.get("targetRef") or {}).get("uid", "")
            backend = Backend(endpoint["addresses"][0], number, uid)
            if conditions.get("ready", True):
                ready.append(backend)
            elif conditions.get("serving") and conditions.get("terminating"):
                leaving.append(backend)
    return tuple(ready or leaving)


def frontends_of(service: Manifest) -> dict[str, Frontend]:
    """The Service's front doors by port name; none for headless ones and external names."""
    spec = service["spec"]
    address = spec.get("clusterIP")
    if not address or address == "None":
        return {}
    # Differs: UDP, sessionAffinity and externalIPs are not served; connections are spread one by one.
    return {
        port.get("name", ""): Frontend(address, port["port"], port.get("nodePort", 0))
        for port in spec.get("ports", ())
        if port.get("protocol", "TCP") == "TCP"
    }


class Proxy:
    """Keeps the network's table of Services like the API's, with upstream's delay."""

    def __init__(self, api: Api, network: Network, clock: Clock, host_ip: str = "127.0.0.1") -> None:
        self._api = api
        self._network = network
        self._clock = clock
        self._wanted: dict[Key, Table] = {}
        self._applied: Table = {}
        self._last = -BETWEEN_SECONDS
        self._timer: Timer | None = None
        self._node_ports = NodePorts(network, host_ip)

    def controller(self) -> Controller:
        """The loop that feeds the table."""

        def service_of(event: Event) -> Iterable[Key]:
            name = event.object["metadata"].get("labels", {}).get(SERVICE_NAME)
            return (Key(event.namespace, name),) if name else ()

        return KindController(
            self._api,
            "proxy",
            "Service",
            self._look,
            triggers={"EndpointSlice": service_of},
            removed=lambda _, key: self._want(key, {}),
        )

    async def stop(self) -> None:
        """Apply nothing more and close the node ports."""
        if self._timer is not None:
            self._timer.cancel()
        await self._node_ports.stop()

    def _look(self, api: Api, service: Manifest) -> None:
        metadata = service["metadata"]
        slices = api.list("EndpointSlice", metadata["namespace"], labels={SERVICE_NAME: metadata["name"]})
        self._want(
            key_of(service),
            {front: backends_of(slices, name) for name, front in frontends_of(service).items()},
        )

    def _want(self, key: Key, table: Table) -> None:
        if self._wanted.get(key, {}) == table:
            return
        self._wanted[key] = table
        if not table:
            del self._wanted[key]
        if self._timer is None:
            wait = self._last + BETWEEN_SECONDS - self._clock.monotonic()
            self._timer = self._clock.call_later(max(FIRST_SECONDS, wait), self._apply)

    def _apply(self) -> None:
        self._timer = None
        self._last = self._clock.monotonic()
        wanted = {front: backends for table in self._wanted.values() for front, backends in table.items()}
        for front in self._applied.keys() - wanted.keys():
            self._network.remove_service(GROUP, front.address, front.port)
        for front, backends in wanted.items():
            if self._applied.get(front) != backends:
                targets = [(backend.address, backend.port) for backend in backends]
                self._network.set_service(GROUP, front.address, front.port, targets)
        self._applied = wanted
        self._node_ports.set({front.node_port: b for front, b in wanted.items() if front.node_port})


class NodePorts:
    """Listeners on the node for Services of type NodePort: one a port, as long as something is behind it.

    Differs: they listen on the machine's 127.0.0.1 only, so that a cluster on a laptop is nobody else's.
    """

    def __init__(self, network: Network, host_ip: str) -> None:
        self._network = network
        self._host_ip = host_ip
        self._backends: dict[int, tuple[Backend, ...]] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._turns = itertools.count()
        self._work: asyncio.Task[None] | None = None
        self._relays: set[asyncio.Task[None]] = set()

    def set(self, backends: dict[int, tuple[Backend, ...]]) -> None:
        """Make the listeners match; needs the event loop only when there is something to do."""
        self._backends = backends
        wanted = {port for port, behind in backends.items() if behind}
        if wanted != self._servers.keys() and self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._match())

    async def stop(self) -> None:
        self._backends = {}
        if self._work is not None:
            await self._work
        await self._match()
        for relay in list(self._relays):
            relay.cancel()

    async def _match(self) -> None:
        try:
            failed: set[int] = set()
            while True:
                wanted = {port for port, behind in self._backends.items() if behind} - failed
                closing = next(iter(self._servers.keys() - wanted), None)
                opening = next(iter(wanted - self._servers.keys()), None)
                if closing is not None:
                    self._servers.pop(closing).close()
                elif opening is not None:
                    if not await self._open(opening):
                        failed.add(opening)
                else:
                    return
        finally:
            self._work = None

    async def _open(self, port: int) -> bool:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._relays.add(task)
            try:
                await self._relay(port, reader, writer)
            finally:
                self._relays.discard(task)
                writer.close()

        try:
            self._servers[port] = await asyncio.start_server(serve, self._host_ip, port)
        except OSError as error:
            logger.warning("node port %d: %s; the Service is not reachable there", port, error)
            return False
        return True

    async def _relay(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = [backend for backend in self._backends.get(port, ()) if backend.pod]
        if not behind:
            return
        backend = behind[next(self._turns) % len(behind)]
        try:
            there_reader, there_writer = await self._network.dial(backend.pod, backend.port)
        except (OSError, LookupError):
            return
        try:
            await asyncio.gather(relay(reader, there_writer), relay(there_reader, writer))
        finally:
            there_writer.close()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream, and pass the end on; a connection that breaks ends it quietly."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
