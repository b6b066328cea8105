"""Endpoints of the classic builder: POST /build, and the cache's prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine.routes import Routes
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine


def routes(engine: Engine) -> Routes:
    api = BuildApi(engine)
    yield "POST", "/build/prune", api.prune


class BuildApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def prune(self, request: Request) -> Response:
        return json_response({"CachesDeleted": None, "SpaceReclaimed": 0})
