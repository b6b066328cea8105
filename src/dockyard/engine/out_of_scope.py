"""Endpoints that the course has no use for, answered as an engine answers that does not have the thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.engine.errors import BadParameter, Failed, NotFound, NotSupported, Unavailable
from dockyard.engine.routes import Routes
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_NO_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node '
    "to swarm and try again."
)


def routes(engine: Engine) -> Routes:
    for kind in ("services", "tasks", "nodes", "secrets", "configs"):
        yield "GET", f"/{kind}", _swarm
        yield "GET", f"/{kind}/{{id}}", _swarm
        yield "POST", f"/{kind}/create", _swarm
        yield "DELETE", f"/{kind}/{{id}}", _swarm
    yield "GET", "/swarm", _swarm
    yield "POST", "/swarm/update", _swarm
    yield "GET", "/swarm/unlockkey", _swarm
    yield "POST", "/swarm/init", _no_swarm_here
    yield "POST", "/swarm/join", _no_swarm_here
    yield "POST", "/swarm/leave", _leave
    yield "GET", "/plugins", _plugins
    yield "GET", "/plugins/{name:path}/json", _plugin
    yield "POST", "/session", _session
    yield "POST", "/grpc", _grpc


async def _swarm(request: Request) -> Response:
    raise Unavailable(_NO_MANAGER)


async def _no_swarm_here(request: Request) -> Response:
    # Differs: upstream can begin a swarm.
    raise NotSupported("dockyard has no swarm: the course's cluster is a Kubernetes one")


async def _leave(request: Request) -> Response:
    raise Unavailable("This node is not part of a swarm")


async def _plugins(request: Request) -> Response:
    return json_response([])


async def _plugin(request: Request) -> Response:
    raise NotFound(f'plugin "{request.path_parameters["name"]}" not found')


async def _session(request: Request) -> Response:
    # BuildKit's door; its absence sends clients to the classic builder.
    raise BadParameter("no upgrade proto in request")


async def _grpc(request: Request) -> Response:
    raise Failed("no upgrade proto in request")
