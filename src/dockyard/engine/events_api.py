"""GET /events: what happens, and what has happened, as a stream of JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from dockyard.engine.errors import BadParameter
from dockyard.engine.events import Event
from dockyard.engine.filters import Filters, parse_filters
from dockyard.engine.parameters import timestamp
from dockyard.engine.routes import Routes
from dockyard.wire.http import Request, StreamResponse

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_KINDS = (
    *("config", "container", "daemon", "image", "network"),
    *("node", "plugin", "secret", "service", "volume"),
)


def routes(engine: Engine) -> Routes:
    async def events(request: Request) -> StreamResponse:
        since, until = timestamp(request, "since"), timestamp(request, "until")
        if since is not None and until is not None and since > until:
            raise BadParameter(f"`since` time ({since:.0f}) cannot be after `until` time ({until:.0f})")
        # Names of filters that upstream doesn't know are taken, and filter nothing.
        filters = parse_filters(request)
        source = engine.events.stream(lambda event: _wanted(event, filters), since, until)

        async def lines() -> AsyncIterator[bytes]:
            try:
                async for event in source:
                    yield json.dumps(event, separators=(",", ":")).encode() + b"\n"
            finally:
                await source.aclose()

        return StreamResponse(200, [("Content-Type", "application/json")], lines())

    yield "GET", "/events", events


def _wanted(event: Event, filters: Filters) -> bool:
    kind, actor = event["Type"], event["Actor"]
    attributes = actor["Attributes"]
    # `health_status` stands for `health_status: healthy` too, as `exec_start` does for a command's.
    action = event["Action"].partition(":")[0]
    return (
        filters.exact("type", kind)
        and filters.exact("event", event["Action"], action)
        and filters.exact("scope", event["scope"])
        and all(_named(event, name, filters.get(name)) for name in _KINDS)
        and filters.labels(attributes)
    )


def _named(event: Event, name: str, wanted: list[str]) -> bool:
    """Tell whether an event is about one of the `wanted` things of a kind, by id, its beginning, or name."""
    if not wanted:
        return True
    kind, actor = event["Type"], event["Actor"]
    attributes = actor["Attributes"]
    if name == "image":
        # Of a container its image counts, with and without the tag.
        own = attributes.get("name", "") if kind == "image" else attributes.get("image", "")
        identifier = actor["ID"] if kind == "image" else ""
        return kind in ("image", "container") and any(
            value in (identifier, own, _without_tag(own)) or _without_tag(value) == own for value in wanted
        )
    if kind != name:
        # A network's connect and a volume's mount are a container's too.
        carried = attributes.get(name, "")
        return bool(carried) and carried.startswith(tuple(wanted))
    return any(actor["ID"].startswith(value) or attributes.get("name") == value for value in wanted)


def _without_tag(reference: str) -> str:
    name, colon, tag = reference.rpartition(":")
    return name if colon and "/" not in tag else reference
