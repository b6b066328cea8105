"""Links: names under which one container knows another, on the default bridge and on user networks."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Conflict, NotFound
from dockyard.engine.registry import Registry


def parse_link(link: str) -> tuple[str, str]:
    """Return the container and the alias of `container[:alias]`.

    Raises:
        BadParameter: no link.
    """
    parts = link.split(":")
    if not parts[0] or len(parts) > 2:
        raise BadParameter(f"bad format for links: {link}")
    # Upstream's own documents say /web:/db/web, the alias below the container that has the link.
    name = parts[0].lstrip("/")
    return name, parts[-1].rpartition("/")[2] or name


def linked(links: list[str], registry: Registry, holder: Container) -> Iterator[tuple[str, Container]]:
    """Yield alias and container of each link on the default bridge.

    Raises:
        BadParameter, NotFound, Conflict: one leads nowhere, as upstream says it.
    """
    for link in links:
        name, alias = parse_link(link)
        other = registry.find(name)
        if other is None:
            raise NotFound(f"could not get container for {name}: No such container: {name}")
        if "bridge" not in other.endpoints:
            raise BadParameter(f"Cannot link to /{other.name}, as it does not belong to the default network")
        if other.process is None:
            raise Conflict(f"Cannot link to a non running container: /{other.name} AS /{holder.name}/{alias}")
        yield alias, other


def environment(alias: str, other: Container, holder: Container) -> Iterator[tuple[str, str]]:
    """Yield the variables that tell a program where a linked container is."""
    prefix = alias.upper().replace("-", "_")
    yield f"{prefix}_NAME", f"/{holder.name}/{alias}"
    exposed = sorted(other.config["ExposedPorts"] or {}, key=lambda port: int(port.partition("/")[0]))
    for number, port in enumerate(exposed):
        inside, _, protocol = port.partition("/")
        where = f"{protocol}://{other.address}:{inside}"
        own = f"{prefix}_PORT_{inside}_{protocol.upper()}"
        if number == 0:
            yield f"{prefix}_PORT", where
        yield own, where
        yield f"{own}_ADDR", other.address
        yield f"{own}_PORT", inside
        yield f"{own}_PROTO", protocol
    for entry in other.config["Env"] or []:
        name, equals, value = entry.partition("=")
        if equals and name not in ("HOME", "PATH"):
            yield f"{prefix}_ENV_{name}", value
