"""Endpoints of volumes: list, create, inspect, remove, prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine.errors import BadParameter, NotFound
from dockyard.engine.filters import parse_filters
from dockyard.engine.parameters import expect, flag, json_body
from dockyard.engine.routes import Routes
from dockyard.engine.volumes import ANONYMOUS
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine


def routes(engine: Engine) -> Routes:
    api = VolumesApi(engine)
    yield "GET", "/volumes", api.list_volumes
    yield "POST", "/volumes/create", api.create
    yield "POST", "/volumes/prune", api.prune
    yield "GET", "/volumes/{name}", api.inspect
    yield "DELETE", "/volumes/{name}", api.remove


class VolumesApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list_volumes(self, request: Request) -> Response:
        try:
            filters = parse_filters(request, ("dangling", "driver", "label", "name"))
        except BadParameter as error:
            if error.message != "invalid filter":  # a name that is no filter's, not what isn't JSON
                raise
            raise BadParameter(f"error reading volume filters: {error.message}") from None
        dangling = filters.boolean("dangling", False) if filters.get("dangling") else None
        found = [
            volume
            for volume in self._engine.volumes.all()
            if filters.fuzzy("name", volume["Name"])
            and filters.exact("driver", volume["Driver"])
            and filters.labels(volume["Labels"])
            and (dangling is None or dangling != bool(self._engine.lifecycle.volume_users(volume["Name"])))
        ]
        return json_response({"Volumes": found, "Warnings": None})

    async def create(self, request: Request) -> Response:
        body = expect(
            await json_body(request), Name="string", Driver="string", DriverOpts="object", Labels="object"
        )
        volume, new = self._engine.volumes.create(
            body.get("Name") or "", body.get("Driver") or "", body.get("DriverOpts"), body.get("Labels")
        )
        if new:
            self._engine.events.publish("volume", "create", volume["Name"], {"driver": "local"})
        return json_response(volume, 201)

    async def inspect(self, request: Request) -> Response:
        return json_response(self._engine.volumes.get(request.path_parameters["name"]))

    async def remove(self, request: Request) -> Response:
        name = request.path_parameters["name"]
        try:
            self._engine.volumes.remove(name, self._engine.lifecycle.volume_users(name))
        except NotFound:
            if not flag(request, "force"):
                raise
            return Response(204)
        self._engine.events.publish("volume", "destroy", name, {"driver": "local"})
        return Response(204)

    async def prune(self, request: Request) -> Response:
        filters = parse_filters(request, ("all", "label", "label!"))
        everything = filters.boolean("all", False)
        removed, reclaimed = [], 0
        for volume in self._engine.volumes.all():
            name, labels = volume["Name"], volume["Labels"] or {}
            if self._engine.lifecycle.volume_users(name) or not filters.labels(labels):
                continue
            if everything or ANONYMOUS in labels:
                reclaimed += self._engine.volumes.size(name)
                self._engine.volumes.remove(name, [])
                removed.append(name)
        self._engine.events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return json_response({"VolumesDeleted": removed, "SpaceReclaimed": reclaimed})
