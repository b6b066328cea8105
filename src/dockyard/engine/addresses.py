"""Addresses of containers on networks whose subnets their users chose."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockyard.engine.errors import Forbidden
from dockyard.engine.parameters import Document

if TYPE_CHECKING:
    from dockyard.runtime.network import Network

USER_DEFINED = "UserDefined"
"""Marks, in a kept document, a pool that was asked for."""


@dataclass
class _Pool:
    subnet: ipaddress.IPv4Network
    range: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address
    taken: dict[ipaddress.IPv4Address, str] = field(default_factory=dict)  # by container id


class Addresses:
    """The pools of one engine's networks, each known to the runtime as its group's subnet.

    Differs: IPv6 subnets are shown, and nobody gets an address out of them. Programs see their own address
    of 127.0.0.0/8 in getsockname() and getpeername(), and the machine itself doesn't reach them at these.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._pools: dict[str, _Pool] = {}

    def add(self, document: Document) -> None:
        """Take note of a network; one without an IPv4 subnet of its user's has no pool."""
        for asked in document["IPAM"]["Config"] or []:
            if not asked.get(USER_DEFINED) or not asked.get("Subnet") or ":" in asked["Subnet"]:
                continue
            subnet = ipaddress.IPv4Network(asked["Subnet"], strict=False)
            gateway = ipaddress.IPv4Address(asked.get("Gateway") or subnet[1])
            part = ipaddress.IPv4Network(asked.get("IPRange") or subnet, strict=False)
            self._pools[document["Id"]] = _Pool(subnet, part, gateway)
            self._network.set_subnet(document["Id"], str(subnet), str(gateway))
            return

    def remove(self, network_id: str) -> None:
        """Forget a network."""
        if self._pools.pop(network_id, None) is not None:
            self._network.remove_subnet(network_id)

    def complaints(self, document: Document, wanted: str) -> list[str]:
        """Return upstream's reasons against the IPv4 address `wanted` on a network; none when it is good."""
        reasons = []
        pool = self._pools.get(document["Id"])
        if document["Name"] in ("bridge", "host", "none"):
            reasons.append("user specified IP address is supported on user defined networks only")
        try:
            address = ipaddress.IPv4Address(wanted)
        except ValueError:
            reasons.append(f"invalid IPv4 address: {wanted}")
            address = None
        if pool is None:
            reasons.append(
                "user specified IP address is supported only when connecting to networks with "
                "user configured subnets"
            )
        elif address is None or address not in pool.subnet:
            reasons.append(f"no configured subnet or ip-range contain the IP address {wanted}")
        return reasons

    def claim(self, network_id: str, container_id: str, wanted: str) -> str:
        """Return a container's address on a network, `wanted` or a free one; "" where there is no pool.

        Raises:
            Forbidden: it is taken, or all are.
        """
        pool = self._pools.get(network_id)
        if pool is None:
            return ""
        free = self._free(pool, wanted)
        pool.taken[free] = container_id
        return str(free)

    def _free(self, pool: _Pool, wanted: str) -> ipaddress.IPv4Address:
        refusal = "failed to set up container networking: "
        if wanted:
            address = ipaddress.IPv4Address(wanted)
            if address in pool.taken or address == pool.gateway:
                raise Forbidden(f"{refusal}Address already in use")
            return address
        for address in pool.range.hosts():
            if address not in pool.taken and address != pool.gateway:
                return address
        raise Forbidden(f"{refusal}no available IPv4 addresses on this network's address pools")

    def release(self, network_id: str, container_id: str) -> None:
        """Take a container's address back."""
        pool = self._pools.get(network_id)
        if pool is not None:
            pool.taken = {address: owner for address, owner in pool.taken.items() if owner != container_id}

    def of(self, network_id: str, container_id: str) -> str:
        """Return a running container's address out of a network's pool, or ""."""
        pool = self._pools.get(network_id)
        owners = pool.taken.items() if pool is not None else ()
        return next((str(address) for address, owner in owners if owner == container_id), "")

    def prefix_and_gateway(self, network_id: str) -> tuple[int, str] | None:
        """Return the length of a network's prefix, and its gateway; None where there is no pool."""
        pool = self._pools.get(network_id)
        return (pool.subnet.prefixlen, str(pool.gateway)) if pool is not None else None
