"""Ports of containers: how they are written, and on what the host listens for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Failed
from dockyard.engine.parameters import Document
from dockyard.runtime.reachable import has_ipv6

if TYPE_CHECKING:
    from dockyard.runtime.network import Network

ANY = "0.0.0.0"
ANY_IPV6 = "::"
_TRIES = 16


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
        # Host, port, protocol. Ports of tcp and of udp have nothing to do with each other.
        self._taken: set[tuple[str, int, str]] = set()

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
                    await self._publish_one(container, port, wish["HostIp"], wish["HostPort"])
        except BaseException:
            await self.withdraw(container)
            raise

    async def _publish_one(self, container: Container, port: str, host: str, wish: str) -> None:
        failure = (
            "failed to set up container networking: driver failed programming external connectivity on "
            f"endpoint {container.name} ({container.document['SandboxId']}): "
        )
        number, _, protocol = port.partition("/")
        if protocol not in ("tcp", "udp", "sctp"):
            raise Failed(failure + "unknown protocol")
        if protocol == "sctp":
            # Differs: sctp ports can't be published; upstream forwards them with the kernel's packet filter.
            raise Failed(failure + f"publishing {protocol} ports is not supported by this engine")
        # No address means every one that the machine has, of either family.
        hosts = [host] if host else [ANY, ANY_IPV6] if has_ipv6() else [ANY]
        first, _, last = wish.partition("-")
        # A free port of one family may be taken in the other; then another one is tried.
        candidates = range(int(first), int(last or first) + 1) if int(first or 0) else [0] * _TRIES
        reason = ""
        for candidate in candidates:
            taken: list[tuple[str, int]] = []
            try:
                for each in hosts:
                    asked = taken[0][1] if taken else candidate
                    taken.append((each, await self._listen(container, each, asked, number, protocol)))
            except OSError as error:
                reason = str(error)
                for each, got in taken:
                    await self._forget(each, got, protocol)
                continue
            container.ports.setdefault(port, []).extend(taken)
            return
        raise Failed(failure + reason)

    async def _listen(self, container: Container, host: str, asked: int, number: str, protocol: str) -> int:
        """Listen on a port of the host and return it; raises OSError with upstream's words."""
        shown = f"[{host}]" if ":" in host else host
        if asked and self._is_taken(host, asked, protocol):
            raise OSError(f"Bind for {shown}:{asked} failed: port is already allocated")
        try:
            got = await self._network.publish(host, asked, container.id, int(number), protocol)
        except OSError as error:
            inside = f"{container.address}:{number}/{protocol}"
            raise OSError(
                f"failed to bind host port for {shown}:{asked}:{inside}: {_words(error)}"
            ) from error
        self._taken.add((host, got, protocol))
        return got

    def _is_taken(self, host: str, port: int, protocol: str) -> bool:
        family = ANY_IPV6 if ":" in host else ANY
        return any(
            (taken, kind) == (port, protocol)
            and (other == host or family in (other, host))
            and (":" in other) == (":" in host)
            for other, taken, kind in self._taken
        )

    async def _forget(self, host: str, port: int, protocol: str) -> None:
        self._taken.discard((host, port, protocol))
        await self._network.unpublish(host, port, protocol)

    async def withdraw(self, container: Container) -> None:
        """Stop listening for a container."""
        published, container.ports = container.ports, {}
        for port, addresses in published.items():
            for host, number in addresses:
                await self._forget(host, number, port.partition("/")[2])


def _words(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    if "in use" in text:
        return "address already in use"
    return re.sub(r"^\[errno \d+\] ", "", text)
