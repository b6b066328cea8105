"""A container's place on its networks while it runs: sandbox, addresses, names, what /etc/hosts says."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from dockyard.engine import links
from dockyard.engine.container import Container
from dockyard.engine.errors import Conflict, NotFound
from dockyard.engine.events import Events
from dockyard.engine.networks import Networks
from dockyard.engine.parameters import Document
from dockyard.engine.registry import Registry

if TYPE_CHECKING:
    from dockyard.runtime.network import Network


class Attachment:
    """Puts the containers of one engine on the runtime's network, and takes them off."""

    def __init__(self, network: Network, registry: Registry, networks: Networks, events: Events) -> None:
        self._network = network
        self._registry = registry
        self._networks = networks
        self._events = events

    def enter(self, container: Container) -> str:
        """Attach the container's sandbox, or find the one that it shares; return its name.

        Raises:
            NotFound, Conflict, Forbidden: a network, a container or an address cannot be had.
        """
        mode: str = container.host_config["NetworkMode"]
        if mode.startswith("container:"):
            other = self._registry.get(mode.partition(":")[2])
            if other.process is None:
                raise Conflict(f"cannot join network of a non running container: {other.id}")
            container.address = other.address
            container.config["Hostname"] = other.config["Hostname"]
            return other.id
        groups, addresses = [self._private_group(container)], {}
        for name in container.endpoints:
            network = self._networks.find(name)
            if network is None:
                raise NotFound(f"failed to set up container networking: network {name} not found")
            if network["Driver"] == "bridge":
                groups.append(network["Id"])
                addresses[network["Id"]] = self._claim(container, network)
        sandbox = self._network.attach(
            container.id,
            groups=groups,
            address=container.document.get("Address"),
            outside=self._networks.reaches_outside(container.endpoints),
            addresses={group: address for group, address in addresses.items() if address},
            host=mode == "host",
        )
        if mode != "host":
            container.address = container.document["Address"] = sandbox.address
        for name in container.endpoints:
            self._announce(container, name)
        return container.id

    def join(self, container: Container, name: str) -> None:
        """Put a running container on one more network.

        Raises:
            Forbidden: its address is taken.
        """
        network = self._networks.get(name)
        self._network.join(container.id, network["Id"], self._claim(container, network))
        self._network.set_outside(container.id, self._networks.reaches_outside(container.endpoints))
        self._announce(container, name)

    def leave(self, container: Container, name: str) -> None:
        """Take a running container off a network."""
        self._withdraw(container, name)
        network = self._networks.get(name)
        self._network.leave(container.id, network["Id"])
        others = [other for other in container.endpoints if other != name]
        self._network.set_outside(container.id, self._networks.reaches_outside(others))

    def release(self, container: Container) -> None:
        """Take a container that has ended off all its networks."""
        if not container.host_config["NetworkMode"].startswith("container:"):
            for name in container.endpoints:
                self._withdraw(container, name)
            self._network.detach(container.id)
        container.address = ""

    def hosts(self, container: Container) -> list[tuple[str, str]]:
        """Return the container's own lines of /etc/hosts: address and names.

        Raises:
            NotFound, BadParameter, Conflict: a link leads nowhere.
        """
        mode: str = container.host_config["NetworkMode"]
        if mode.startswith("container:"):
            return self.hosts(self._registry.get(mode.partition(":")[2]))
        lines = [self._extra_host(entry) for entry in container.host_config["ExtraHosts"] or []]
        for alias, other in self._linked(container):
            known = dict.fromkeys((alias, other.config["Hostname"], other.name))
            lines.append((other.address, " ".join(known)))
        for name in container.endpoints:
            address = self._networks.place(container, name)[0]
            if address and (address, container.config["Hostname"]) not in lines:
                lines.append((address, container.config["Hostname"]))
        return lines

    def link_environment(self, container: Container) -> dict[str, str]:
        """Return the variables that describe linked containers."""
        found: dict[str, str] = {}
        for alias, other in self._linked(container):
            found |= dict(links.environment(alias, other, container))
        return found

    def _linked(self, container: Container) -> list[tuple[str, Container]]:
        if "bridge" not in container.endpoints:
            return []
        return list(links.linked(container.host_config["Links"] or [], self._registry, container))

    def _extra_host(self, entry: str) -> tuple[str, str]:
        name, _, address = entry.partition("=") if "=" in entry else entry.partition(":")
        return (self._network.block.gateway if address == "host-gateway" else address, name)

    def _claim(self, container: Container, network: Document) -> str:
        settings = container.endpoints[network["Name"]]
        wanted = (settings["IPAMConfig"] or {}).get("IPv4Address") or ""
        return self._networks.addresses.claim(network["Id"], container.id, wanted)

    def _announce(self, container: Container, name: str) -> None:
        """Make a running container known on one network, and its links on it known to itself."""
        network = self._networks.get(name)
        container.endpoints[name]["EndpointID"] = secrets.token_hex(32)
        self._networks.publish_names(container, name)
        for link in container.endpoints[name].get("Links") or []:
            other_name, alias = links.parse_link(link)
            other = self._registry.find(other_name)
            address = self._networks.place(other, name)[0] if other is not None else ""
            if address:
                self._network.set_names(self._private_group(container), {alias: [address]})
        self._event(container, network, "connect")

    def _withdraw(self, container: Container, name: str) -> None:
        settings, network = container.endpoints[name], self._networks.find(name)
        if settings.get("EndpointID"):
            self._networks.withdraw_names(container, name)
            settings["EndpointID"] = ""
            if network is not None:
                self._event(container, network, "disconnect")
        for link in settings.get("Links") or []:
            self._network.set_names(self._private_group(container), {links.parse_link(link)[1]: []})
        if network is not None:
            self._networks.addresses.release(network["Id"], container.id)

    def _private_group(self, container: Container) -> str:
        """The group whose only member is this container; its names are nobody else's."""
        return f"links:{container.id}"

    def _event(self, container: Container, network: Document, action: str) -> None:
        about = {"container": container.id, "name": network["Name"], "type": network["Driver"]}
        self._events.publish("network", action, network["Id"], about)
