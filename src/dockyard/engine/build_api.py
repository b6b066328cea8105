"""Endpoints of the classic builder: POST /build, and what belongs to its cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dockyard.engine.build import Builder
from dockyard.engine.build.endpoint import build_endpoint
from dockyard.engine.filters import parse_filters
from dockyard.engine.image_events import tell
from dockyard.engine.routes import Routes
from dockyard.home import Home
from dockyard.wire.http import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_PRUNE_FILTERS = ("description", "id", "inuse", "label", "parent", "private", "shared", "type", "until")


def routes(engine: Engine) -> Routes:
    def groups(mode: str) -> Sequence[str]:
        network = engine.networks.find("bridge" if mode == "default" else mode)
        return [network["Id"]] if network is not None and network["Driver"] == "bridge" else []

    def tagged(reference: str, image_id: str) -> None:
        tell(engine.events, "tag", engine.runtime.images.get(image_id), reference)

    wheelhouse = Home(engine.home).wheelhouse
    builder = Builder(engine.runtime, groups=groups, tagged=tagged, wheelhouse=wheelhouse)
    yield "POST", "/build", build_endpoint(builder)
    yield "POST", "/build/prune", _prune(builder)
    yield "POST", "/build/cancel", _cancel


def _prune(builder: Builder) -> Handler:
    async def prune(request: Request) -> Response:
        parse_filters(request, _PRUNE_FILTERS)
        # Differs: `docker builder prune` removes the directories of `RUN --mount=type=cache`. The steps of
        # builds are images, as the classic builder's are, and go with those.
        gone, size = await builder.caches.prune()
        return json_response({"CachesDeleted": gone or None, "SpaceReclaimed": size})

    return prune


async def _cancel(request: Request) -> Response:
    # A build ends when its client goes away; there is none to cancel by name.
    return Response(200)
