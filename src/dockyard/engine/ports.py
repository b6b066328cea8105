"""Ports of containers: how they are written, and on what the host listens for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Failed
from dockyard.engine.parameters import Document

if TYPE_CHECKING:
    from dockyard.runtime.network import Network

ANY = "0.0.0.0"


def normalise(port: str) -> str:
    """Return `80/tcp` for `80`.

    Raises:
        BadParameter: no port.
    """
    number, _, protocol = port.partition("/")
    if not number.isdigit() or not 0 < int(number) < 65536:
        raise BadParameter(f'invalid port specification: "{port.partition("/")[0]}"')
    return f"{int(number)}/{protocol or 'tcp'}"


def bindings(asked: Mapping[str, list[Document] | None] | None) -> dict[str, list[Document]]:
    """Return checked PortBindings; a range of container ports is not part of the API.

    Raises:
        BadParameter: no port, inside or outside.
    """
    result: dict[str, list[Document]] = {}
    for port, wanted in (asked or {}).items():
        for binding in wanted or []:
            outside = str(binding.get("HostPort") or "")
            ends = outside.split("-")
            if outside and not all(end.isdigit() and 0 <= int(end) < 65536 for end in ends):
                raise BadParameter(f'invalid port specification: "{outside}"')
        result[normalise(port)] = [
            {"HostIp": binding.get("HostIp") or "", "HostPort": str(binding.get("HostPort") or "")}
            for binding in wanted or []
        ]
    return result


class Publishing:
    """What the engine's containers have published on the host."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._taken: dict[tuple[str, int], str] = {}

    async def publish(self, container: Container) -> None:
        """Publish what a container wants; its sandbox is attached. All or nothing.

        Raises:
            Failed: a port is taken, or cannot be had.
        """
        wanted: dict[str, list[Document]] = dict(container.host_config["PortBindings"] or {})
        if container.host_config["PublishAllPorts"]:
            for port in container.config["ExposedPorts"] or {}:
                wanted.setdefault(port, [{"HostIp": "", "HostPort": ""}])
        try:
            for port, wishes in wanted.items():
                for wish in wishes or [{"HostIp": "", "HostPort": ""}]:
                    host = wish["HostIp"] or ANY
                    number = await self._publish_one(container, port, host, wish["HostPort"])
                    container.ports.setdefault(port, []).append((host, number))
        except BaseException:
            await self.withdraw(container)
            raise

    async def _publish_one(self, container: Container, port: str, host: str, wish: str) -> int:
        failure = (
            "failed to set up container networking: driver failed programming external connectivity on "
            f"endpoint {container.name} ({container.document['SandboxId']}): "
        )
        number, _, protocol = port.partition("/")
        if protocol not in ("tcp", "udp", "sctp"):
            raise Failed(failure + "unknown protocol")
        if protocol != "tcp":
            raise Failed(failure + f"publishing {protocol} ports is not supported by this engine")
        first, _, last = wish.partition("-")
        candidates = range(int(first or 0), int(last or first or 0) + 1)
        reason = ""
        for candidate in candidates:
            if candidate and self._is_taken(host, candidate):
                reason = f"Bind for {host}:{candidate} failed: port is already allocated"
                continue
            try:
                got = await self._network.publish(host, candidate, container.id, int(number))
            except OSError as error:
                inside = f"{container.address}:{number}/{protocol}"
                reason = f"failed to bind host port for {host}:{candidate}:{inside}: {_words(error)}"
                continue
            self._taken[host, got] = container.id
            return got
        raise Failed(failure + reason)

    def _is_taken(self, host: str, port: int) -> bool:
        return any(taken == port and (other == host or ANY in (other, host)) for other, taken in self._taken)

    async def withdraw(self, container: Container) -> None:
        """Stop listening for a container."""
        published, container.ports = container.ports, {}
        for addresses in published.values():
            for host, number in addresses:
                self._taken.pop((host, number), None)
                await self._network.unpublish(host, number)


def _words(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    if "in use" in text:
        return "address already in use"
    return re.sub(r"^\[errno \d+\] ", "", text)
