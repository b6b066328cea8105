"""The filters of the list of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter
from dockyard.engine.filters import Filters
from dockyard.runtime.images import ImageNotFound
from dockyard.runtime.references import InvalidReference

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_HEALTH = ("none", "starting", "healthy", "unhealthy")
FILTERS = (
    "ancestor before exited expose health id is-task isolation label label! name network publish since "
    "status volume"
)


class Wanted:
    """The filters of a list, ready to be asked about each container.

    Raises:
        BadParameter: a value that no container could have.
        NotFound: `before` or `since` name no container.
    """

    def __init__(self, engine: Engine, filters: Filters) -> None:
        self._engine = engine
        self._filters = filters
        for name, valid, what in (("status", _STATES, "state"), ("health", _HEALTH, "health")):
            for value in filters.get(name):
                if value not in valid:
                    raise BadParameter(
                        f"invalid filter '{name}={value}': invalid value for {what} ({value}): "
                        f"must be one of {', '.join(valid)}"
                    )
        for value in filters.get("exited"):
            if not value.lstrip("-").isdigit():
                raise BadParameter(
                    f"invalid filter 'exited={value}': strconv.Atoi: parsing \"{value}\": invalid syntax"
                )
        self._before = [engine.registry.get(value).document["Created"] for value in filters.get("before")]
        self._since = [engine.registry.get(value).document["Created"] for value in filters.get("since")]
        self._ancestors: set[str] = set()
        for value in filters.get("ancestor"):
            try:
                self._ancestors.add(engine.runtime.images.get(value).id)
            except (ImageNotFound, InvalidReference):
                continue

    def matches(self, container: Container) -> bool:
        """Tell whether a container passes them all."""
        if not self._filters:
            return True
        filters, created = self._filters, container.document["Created"]
        state = container.state
        return (
            filters.exact("status", container.status)
            and filters.fuzzy("name", container.name, f"/{container.name}")
            and (not filters.get("id") or container.id.startswith(tuple(filters.get("id"))))
            and filters.labels(container.config["Labels"])
            and filters.exact("health", (state.get("Health") or {}).get("Status", "none"))
            and (not filters.get("exited") or self._exited(container))
            and all(created < moment for moment in self._before)
            and all(created > moment for moment in self._since)
            and (not filters.get("ancestor") or self._descends(container))
            and self._in_network(container)
            and self._has_volume(container)
            and self._has_port("publish", _published(container))
            and self._has_port("expose", set(container.config["ExposedPorts"] or ()))
            and not filters.boolean("is-task", False)
        )

    def _exited(self, container: Container) -> bool:
        return (
            bool(container.state["StartedAt"])
            and not container.running
            and self._filters.exact("exited", str(container.state["ExitCode"]))
        )

    def _descends(self, container: Container) -> bool:
        if container.document["Image"] in self._ancestors:
            return True
        images = self._engine.runtime.images
        image = images.find(container.document["Image"])
        while image is not None and image.parent:
            if image.parent in self._ancestors:
                return True
            image = images.find(image.parent)
        return False

    def _in_network(self, container: Container) -> bool:
        wanted = self._filters.get("network")
        if not wanted:
            return True
        networks = [self._engine.networks.find(value) for value in wanted]
        return any(network is not None and network["Name"] in container.endpoints for network in networks)

    def _has_volume(self, container: Container) -> bool:
        places = [value for m in container.mounts for value in (m.get("Name"), m["Destination"]) if value]
        return self._filters.exact("volume", *places)

    def _has_port(self, name: str, present: set[str]) -> bool:
        wanted = self._filters.get(name)
        return not wanted or any(port in present for value in wanted for port in _port_range(value))


def _published(container: Container) -> set[str]:
    """Return the ports of the host that lead to a container, as `8080/tcp`."""
    return {
        f"{host_port}/{port.partition('/')[2]}"
        for port, addresses in container.ports.items()
        for _, host_port in addresses
    }


def _port_range(text: str) -> list[str]:
    """Return the ports that `80`, `80/udp` or `8000-8010/tcp` stands for."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    try:
        chosen = range(int(first), int(last or first) + 1)
    except ValueError:
        raise BadParameter(f"invalid port range specification: '{text}'") from None
    return [f"{number}/{protocol or 'tcp'}" for number in chosen[:65536]]
