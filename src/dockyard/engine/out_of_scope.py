"""Endpoints that the course has no use for, answered as an engine answers that does not have the thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockyard.engine.errors import BadParameter, Failed, NotFound, NotSupported, Unavailable
from dockyard.engine.parameters import json_body
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
        if kind != "tasks":
            yield "DELETE", f"/{kind}/{{id}}", _swarm
            yield "POST", f"/{kind}/{{id}}/update", _swarm
    for kind in ("services", "secrets", "configs"):
        yield "POST", f"/{kind}/create", _swarm
    for kind in ("services", "tasks"):
        yield "GET", f"/{kind}/{{id}}/logs", _swarm
    yield "PUT", "/volumes/{name}", _swarm  # for volumes of a cluster only
    yield "GET", "/swarm", _swarm
    yield "POST", "/swarm/update", _swarm
    yield "GET", "/swarm/unlockkey", _swarm
    yield "POST", "/swarm/unlock", _swarm
    yield "POST", "/swarm/init", _no_swarm_here
    yield "POST", "/swarm/join", _no_swarm_here
    yield "POST", "/swarm/leave", _leave
    yield "GET", "/plugins", _plugins
    yield "GET", "/plugins/privileges", _no_plugins_here
    for action in ("pull", "create"):
        yield "POST", f"/plugins/{action}", _no_plugins_here
    yield "GET", "/plugins/{name:path}/json", _plugin
    yield "DELETE", "/plugins/{name:path}", _plugin
    yield "POST", "/plugins/{name:path}/enable", _enable_plugin
    for action in ("disable", "push", "upgrade", "set"):
        yield "POST", f"/plugins/{{name:path}}/{action}", _plugin
    yield "POST", "/session", _session
    yield "POST", "/grpc", _grpc


async def _swarm(request: Request) -> Response:
    raise Unavailable(_NO_MANAGER)


async def _no_swarm_here(request: Request) -> Response:
    address = str((await json_body(request)).get("ListenAddr") or "0.0.0.0:2377")
    if not re.fullmatch(r"\[[0-9a-fA-F:]+\](:\d+)?|[0-9.]+(:\d+)?|(eth|en|lo|docker)\w*(:\d+)?", address):
        raise BadParameter(
            "listen address must be an IP address or network interface (with optional port number)"
        )
    # Differs: there is no swarm mode; upstream can begin a swarm.
    raise NotSupported("dockyard has no swarm: the course's cluster is a Kubernetes one")


async def _leave(request: Request) -> Response:
    raise Unavailable("This node is not part of a swarm")


async def _plugins(request: Request) -> Response:
    return json_response([])


async def _plugin(request: Request) -> Response:
    raise NotFound(f'plugin "{request.path_parameters["name"]}" not found')


async def _enable_plugin(request: Request) -> Response:
    if not request.query.get("timeout").isdigit():
        raise Failed(f'strconv.Atoi: parsing "{request.query.get("timeout")}": invalid syntax')
    return await _plugin(request)


async def _no_plugins_here(request: Request) -> Response:
    # Differs: there are no plugins; upstream can install some.
    raise NotSupported("dockyard has no plugins")


async def _session(request: Request) -> Response:
    # BuildKit's door; its absence sends clients to the classic builder.
    raise BadParameter("no upgrade proto in request")


async def _grpc(request: Request) -> Response:
    raise Failed("no upgrade proto in request")
