"""Networks: which containers can reach one another, and by which names."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dockyard.engine.addresses import USER_DEFINED, Addresses
from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Conflict, Forbidden, NotFound
from dockyard.engine.parameters import Document
from dockyard.engine.store import Store
from dockyard.wire.clock import Clock

if TYPE_CHECKING:
    from dockyard.runtime.network import Network

PREDEFINED = ("bridge", "host", "none")


class Networks:
    """The networks of one engine, over the runtime's groups: one group a network."""

    def __init__(self, store: Store, network: Network, clock: Clock) -> None:
        self._store = store
        self._network = network
        self._clock = clock
        self.addresses = Addresses(network)
        self._by_id: dict[str, Document] = {}
        # Network id, name, container id: the address. Several containers can share an alias.
        self._aliases: dict[str, dict[str, dict[str, str]]] = {}

    def load(self) -> None:
        """Read what an earlier engine kept, and make the predefined ones when they are missing."""
        self._by_id = {document["Id"]: document for document in self._store.load("network")}
        for document in self._by_id.values():
            self.addresses.add(document)
        present = {document["Name"] for document in self._by_id.values()}
        for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
            if name not in present:
                self._add(_document(name, driver, self._clock.now()))

    def _add(self, document: Document) -> None:
        self._by_id[document["Id"]] = document
        self._store.put("network", document["Id"], document)

    def all(self) -> list[Document]:
        """Return all networks, oldest first."""
        return sorted(self._by_id.values(), key=lambda document: float(document["Created"]))

    def find(self, reference: str) -> Document | None:
        """Return the network with this id, name, or beginning of an id, or None."""
        if reference == "default":
            reference = "bridge"
        found = self._by_id.get(reference)
        if found is not None or not reference:
            return found
        for document in self._by_id.values():
            if document["Name"] == reference:
                return document
        matches = [d for identifier, d in self._by_id.items() if identifier.startswith(reference)]
        return matches[0] if len(matches) == 1 else None

    def get(self, reference: str) -> Document:
        """As `find`.

        Raises:
            NotFound: there is none.
        """
        found = self.find(reference)
        if found is None:
            raise NotFound(f"network {reference} not found")
        return found

    def create(self, body: Document) -> Document:
        """Make a network.

        Raises:
            BadParameter: no name, or an invalid subnet.
            Forbidden: a predefined name.
            Conflict: the name is taken.
            NotFound: an unknown driver.
        """
        name, driver = body.get("Name") or "", body.get("Driver") or "bridge"
        if not name.strip():
            raise BadParameter("invalid name: name is empty")
        if name in PREDEFINED:
            raise Forbidden(f"operation is not permitted on predefined {name} network ")
        if self.find(name) is not None and self.get(name)["Name"] == name:
            raise Conflict(f"network with name {name} already exists")
        if driver not in ("bridge", "host", "null"):
            # Differs: an unknown network driver is refused at once; upstream looks for a plugin for 15 s
            # first. overlay and the VLAN drivers are not there either.
            raise NotFound(f'plugin "{driver}" not found')
        document = _document(name, driver, self._clock.now())
        ipam = body.get("IPAM") or {}
        document["IPAM"] = {
            "Driver": ipam.get("Driver") or "default",
            "Options": ipam.get("Options"),
            "Config": self._pools(ipam.get("Config") or []) or document["IPAM"]["Config"],
        }
        for key in ("Internal", "Attachable", "EnableIPv6"):
            document[key] = bool(body.get(key))
        document["Options"] = body.get("Options") or {}
        document["Labels"] = body.get("Labels") or {}
        self._add(document)
        self.addresses.add(document)
        return document

    def _pools(self, wanted: list[Document]) -> list[Document]:
        pools = []
        for pool in wanted:
            subnet = pool.get("Subnet") or ""
            if not subnet:
                continue
            try:
                parsed = ipaddress.ip_network(subnet, strict=False)
            except ValueError:
                raise BadParameter(
                    f"invalid network config:\ninvalid subnet {subnet}: invalid CIDR block notation"
                ) from None
            for key, what in (("IPRange", "ip-range"), ("Gateway", "gateway")):
                if pool.get(key):
                    _check_inside(pool[key], what, parsed)
            self._check_free(parsed)
            keys = ("Subnet", "IPRange", "Gateway", "AuxiliaryAddresses")
            pools.append({**{key: pool[key] for key in keys if pool.get(key)}, USER_DEFINED: True})
        return pools

    def _check_free(self, wanted: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
        for other in self._by_id.values():
            for taken in other["IPAM"]["Config"] or []:
                if other["Driver"] == "bridge" and taken.get(USER_DEFINED):
                    reserved = ipaddress.ip_network(taken["Subnet"], strict=False)
                    if reserved.version == wanted.version and reserved.overlaps(wanted):
                        raise Forbidden(
                            "invalid pool request: Pool overlaps with other one on this address space"
                        )

    def shown_pools(self, document: Document) -> list[Document] | None:
        """Return the Config of a network's IPAM as inspect shows it."""
        asked = [pool for pool in document["IPAM"]["Config"] or [] if pool.get(USER_DEFINED)]
        if asked:
            return [{key: value for key, value in pool.items() if key != USER_DEFINED} for pool in asked]
        if document["Driver"] != "bridge":
            return None
        # Differs: networks without a subnet of their user's share this home's part of 127.0.0.0/8; which
        # networks two containers share decides whether they reach one another.
        block = self._network.block
        return [{"Subnet": f"127.{block.number}.0.0/16", "Gateway": block.gateway}]

    def place(self, container: Container, name: str) -> tuple[str, int, str]:
        """Return address, prefix length and gateway of a running container on a network, or nothing."""
        document = self.find(name)
        if document is None or document["Driver"] != "bridge" or not container.address:
            return "", 0, ""
        chosen = self.addresses.of(document["Id"], container.id)
        pool = self.addresses.prefix_and_gateway(document["Id"])
        prefix, gateway = pool if chosen and pool else (16, self._network.block.gateway)
        return chosen or container.address, prefix, "" if document["Internal"] else gateway

    def reaches_outside(self, names: Iterable[str]) -> bool:
        """Tell whether a container on these networks gets beyond them."""
        known = (self.find(name) for name in names)
        return any(d is not None and d["Driver"] == "bridge" and not d["Internal"] for d in known)

    def remove(self, document: Document, members: list[Container]) -> None:
        """Delete a network that `members`, running containers, don't use.

        Raises:
            Forbidden: it is predefined or in use.
        """
        name = document["Name"]
        if name in PREDEFINED:
            raise Forbidden(f"{name} is a pre-defined network and cannot be removed")
        if members:
            using = ", ".join(
                f'name:"{c.name}" id:"{c.endpoints[name].get("EndpointID", "")[:12]}"' for c in members
            )
            raise Forbidden(f"error while removing network: network {name} has active endpoints ({using})")
        self._store.delete("network", document["Id"])
        self.addresses.remove(document["Id"])
        del self._by_id[document["Id"]]

    # Names on a network. The default bridge has none, as upstream.

    def publish_names(self, container: Container, network_name: str) -> None:
        """Let the others on a network find a running container by its names."""
        self._set_names(container, network_name, [self.place(container, network_name)[0]])

    def withdraw_names(self, container: Container, network_name: str) -> None:
        """Undo `publish_names`, keeping the other containers that share an alias."""
        self._set_names(container, network_name, [])

    def _set_names(self, container: Container, network_name: str, addresses: list[str]) -> None:
        network = self.find(network_name)
        if network is None or network["Name"] in PREDEFINED:
            return
        shared = self._aliases.setdefault(network["Id"], {})
        for name in dns_names(container, network_name):
            owners = shared.setdefault(name, {})
            owners.pop(container.id, None)
            if addresses:
                owners[container.id] = addresses[0]
            self._network.set_names(network["Id"], {name: list(owners.values())})


def _check_inside(text: str, what: str, subnet: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    refusal = f"invalid network config:\ninvalid {what} {text}: "
    try:
        first = ipaddress.ip_network(text, strict=False)[0]
    except ValueError:
        kind = "CIDR block notation" if what == "ip-range" else "address"
        raise BadParameter(f"{refusal}invalid {kind}") from None
    if first not in subnet:
        noun = "block" if what == "ip-range" else "address"
        raise BadParameter(f"{refusal}parent subnet {subnet} doesn't contain this {noun}")


def dns_names(container: Container, network_name: str) -> list[str]:
    """Return the names of a container on a network: its name, aliases, short id, hostname."""
    endpoint = container.endpoints.get(network_name, {})
    names = [
        container.name,
        *(endpoint.get("Aliases") or []),
        container.id[:12],
        container.config["Hostname"],
    ]
    return list(dict.fromkeys(name for name in names if name))


def _document(name: str, driver: str, now: float) -> Document:
    pools: list[Document] | None = [] if driver == "bridge" else None
    return {
        "Name": name,
        "Id": secrets.token_hex(32),
        "Created": now,
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": pools},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Options": {"com.docker.network.bridge.default_bridge": "true"} if name == "bridge" else {},
        "Labels": {},
    }
