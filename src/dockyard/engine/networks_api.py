"""Endpoints of networks: list, create, inspect, connect, disconnect, remove, prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine import create, render
from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Failed, Forbidden, NotFound
from dockyard.engine.filters import parse_filters
from dockyard.engine.networks import PREDEFINED
from dockyard.engine.parameters import Document, expect, json_body
from dockyard.engine.render import go_time
from dockyard.engine.routes import Routes
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")


def routes(engine: Engine) -> Routes:
    api = NetworksApi(engine)
    yield "GET", "/networks", api.list_networks
    yield "POST", "/networks/create", api.create
    yield "POST", "/networks/prune", api.prune
    yield "GET", "/networks/{id}", api.inspect
    yield "DELETE", "/networks/{id}", api.remove
    yield "POST", "/networks/{id}/connect", api.connect
    yield "POST", "/networks/{id}/disconnect", api.disconnect


class NetworksApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _members(self, network: Document) -> list[Container]:
        return [c for c in self._engine.registry if c.process is not None and network["Name"] in c.endpoints]

    def _document(self, network: Document, *, with_members: bool) -> Document:
        shown = {**network, "Created": go_time(network["Created"]), "Containers": {}}
        shown["IPAM"] = {**network["IPAM"], "Config": self._engine.networks.shown_pools(network)}
        if with_members:
            for container in self._members(network):
                shown["Containers"][container.id] = self._member(container, network["Name"])
        return shown

    def _member(self, container: Container, name: str) -> Document:
        address, prefix, _gateway = self._engine.networks.place(container, name)
        return {
            "Name": container.name,
            "EndpointID": container.endpoints[name].get("EndpointID", ""),
            "MacAddress": render.mac_address(address),
            "IPv4Address": f"{address}/{prefix}" if address else "",
            "IPv6Address": "",
        }

    async def list_networks(self, request: Request) -> Response:
        filters = parse_filters(request, _FILTERS)
        dangling = filters.boolean("dangling", False) if filters.get("dangling") else None
        shown = []
        for network in self._engine.networks.all():
            kind = "builtin" if network["Name"] in PREDEFINED else "custom"
            unused = kind == "custom" and not self._members(network)
            if (
                filters.fuzzy("name", network["Name"])
                and filters.fuzzy("id", network["Id"])
                and filters.exact("driver", network["Driver"])
                and filters.exact("scope", network["Scope"])
                and filters.exact("type", kind)
                and filters.labels(network["Labels"])
                and (dangling is None or dangling == unused)
            ):
                shown.append(self._document(network, with_members=False))
        return json_response(shown)

    async def create(self, request: Request) -> Response:
        network = self._engine.networks.create(
            expect(
                await json_body(request),
                Name="string",
                Driver="string",
                IPAM="object",
                Options="object",
                Labels="object",
            )
        )
        about = {"name": network["Name"], "type": network["Driver"]}
        self._engine.events.publish("network", "create", network["Id"], about)
        return json_response({"Id": network["Id"], "Warning": ""}, 201)

    async def inspect(self, request: Request) -> Response:
        network = self._engine.networks.get(request.path_parameters["id"])
        return json_response(self._document(network, with_members=True))

    async def remove(self, request: Request) -> Response:
        network = self._engine.networks.get(request.path_parameters["id"])
        self._engine.networks.remove(network, self._members(network))
        about = {"name": network["Name"], "type": network["Driver"]}
        self._engine.events.publish("network", "destroy", network["Id"], about)
        return Response(204)

    async def connect(self, request: Request) -> Response:
        body = await json_body(request)
        network = self._engine.networks.get(request.path_parameters["id"])
        reference = body.get("Container") or ""
        if not reference:
            raise BadParameter('invalid name or ID supplied: ""')
        container = self._engine.registry.get(reference)
        name = network["Name"]
        if name == "host":
            raise BadParameter(
                "cannot connect container to host network - container must be created in host network mode"
            )
        if name == "none" or "none" in container.endpoints:
            raise BadParameter(
                "container cannot be connected to multiple networks with one of the networks in private "
                "(none) mode"
            )
        if name in container.endpoints:
            raise Forbidden(f"endpoint with name {container.name} already exists in network {name}")
        endpoint = create.new_endpoint(body.get("EndpointConfig"))
        if problem := create.refused_address(endpoint, network, self._engine.networks):
            raise BadParameter(problem)
        container.endpoints[name] = endpoint
        if container.process is not None:
            try:
                self._engine.launcher.join(container, name)
            except Forbidden as error:
                del container.endpoints[name]
                raise Forbidden(error.message.partition(": ")[2]) from None
        self._engine.registry.save(container)
        return Response(200)

    async def disconnect(self, request: Request) -> Response:
        body = await json_body(request)
        network = self._engine.networks.get(request.path_parameters["id"])
        reference, name = body.get("Container") or "", network["Name"]
        container = self._engine.registry.find(reference)
        if container is None:
            if body.get("Force"):
                raise NotFound(f"endpoint {reference} not found")
            raise NotFound(f"No such container: {reference}")
        if name not in container.endpoints:
            article = "" if container.process is not None else "the "
            raise Failed(f"container {container.id} is not connected to {article}network {name}")
        if container.process is not None:
            self._engine.launcher.leave(container, name)
        del container.endpoints[name]
        self._engine.registry.save(container)
        return Response(200)

    async def prune(self, request: Request) -> Response:
        filters = parse_filters(request, ("label", "label!", "until"))
        until = filters.until(self._engine.clock.now())
        removed = []
        for network in self._engine.networks.all():
            if network["Created"] >= until:
                continue
            used = any(network["Name"] in c.endpoints for c in self._engine.registry)
            if network["Name"] in PREDEFINED or used or not filters.labels(network["Labels"]):
                continue
            self._engine.networks.remove(network, [])
            removed.append(network["Name"])
        return json_response({"NetworksDeleted": removed or None})
