"""Subresources: status, scale, binding, eviction, and those that the node agent answers."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.api import Api
from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.disruption import evict
from dockyard.cluster.errors import (
    BadRequest,
    Invalid,
    MethodNotAllowed,
    PathNotFound,
    ServiceUnavailable,
)
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.http import writes
from dockyard.cluster.http.bodies import read_object
from dockyard.cluster.http.nodes import Answer, NodeApi
from dockyard.cluster.http.options import write_options
from dockyard.cluster.http.paths import Target
from dockyard.cluster.http.reads import get_one
from dockyard.cluster.http.tokenrequests import request_token
from dockyard.cluster.kinds import Kind
from dockyard.cluster.scale import SCALE
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

_BINDING = Kind("", "v1", "Binding", "bindings")
_EVICTION = Kind("policy", "v1", "Eviction", "evictions")
_STREAMS = ("log", "exec", "attach", "portforward")


async def answer(api: Api, node: NodeApi | None, target: Target, request: Request) -> Answer:
    """Answer a request for a subresource. Raises MethodNotAllowed and what its verb raises."""
    name, method = target.subresource, request.method
    if name in _STREAMS or name == "proxy":
        return await _on_node(api, node, target, request)
    if name in ("status", "ephemeralcontainers", "resize"):
        if method == "GET":
            return get_one(api, target, request)
        if method not in ("PUT", "PATCH"):
            raise MethodNotAllowed
        # Differs: a running Pod can't be given other resources; its `resize` subresource refuses that.
        if name == "resize":
            raise PathNotFound
        return await (writes.update if method == "PUT" else writes.patch)(api, target, request)
    if name == "finalize" and method == "PUT":
        return await writes.update(api, target, request)
    if name == "scale":
        return await _scale(api, target, request)
    if name == "binding" and method == "POST":
        return await _bind(api, target, request)
    if name == "token" and method == "POST":
        return await request_token(api, target, request)
    if name == "eviction" and method == "POST":
        return await _evict(api, target, request)
    raise MethodNotAllowed


async def _scale(api: Api, target: Target, request: Request) -> Response:
    kind = target.kind.id
    if request.method == "GET":
        return json_response(api.scale(kind, target.name, target.namespace))
    if request.method == "PATCH":
        return await writes.patch(api, target, request)
    if request.method != "PUT":
        raise MethodNotAllowed
    body = await writes.read_body(request)
    options = write_options(request.query, "UpdateOptions")
    scale = read_object(SCALE, body, request.headers.get("content-type"), options.validation).obj
    return json_response(
        api.update_scale(
            kind,
            target.name,
            scale,
            namespace=target.namespace,
            dry_run=options.dry_run,
            manager=writes.updater(request, target, options.field_manager),
        )
    )


async def _bind(api: Api, target: Target, request: Request) -> Response:
    body = await writes.read_body(request)
    binding = read_object(_BINDING, body, request.headers.get("content-type"), "Ignore").obj
    api.bind(target.name, target.namespace or "default", (binding.get("target") or {}).get("name", ""))
    return json_response(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
    )


async def _evict(api: Api, target: Target, request: Request) -> Response:
    body = await writes.read_body(request)
    eviction = read_object(_EVICTION, body, request.headers.get("content-type"), "Ignore").obj
    named = (eviction.get("metadata") or {}).get("name")
    if named and named != target.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    options = DeleteOptions.of(eviction.get("deleteOptions") or {})
    dry_run = options.dry_run or write_options(request.query, "CreateOptions").dry_run
    evict(api, target.name, target.namespace, options, dry_run=dry_run)
    return json_response(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
    )


async def _on_node(api: Api, node: NodeApi | None, target: Target, request: Request) -> Answer:
    name, _, port = target.name.partition(":")
    if target.subresource == "log":
        _check_log_options(target.name, request)
    if target.subresource == "proxy" and target.kind.kind == "Service" and name in ("http", "https") and port:
        name, _, port = port.partition(":")  # scheme:name:port
    obj = api.get(target.kind.id, name if target.subresource == "proxy" else target.name, target.namespace)
    if node is None:
        raise ServiceUnavailable("the node is not running")
    if target.subresource == "proxy":
        return await node.proxy(request, obj, port, target.rest)
    if target.subresource == "log" and request.method != "GET":
        raise MethodNotAllowed
    if request.method not in ("GET", "POST"):
        raise MethodNotAllowed
    handlers = {"log": node.logs, "exec": node.exec, "attach": node.attach, "portforward": node.port_forward}
    return await handlers[target.subresource](request, obj)


def _check_log_options(pod: str, request: Request) -> None:
    errors = FieldErrors()
    for key, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        text = request.query.get(key)
        if not text:
            continue
        try:
            value = int(text)
        except ValueError:
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
        if value < least:
            bound = "must be greater than 0" if least else "must be greater than or equal to 0"
            errors.invalid(key, value, bound)
    if request.query.get("sinceSeconds") and request.query.get("sinceTime"):
        errors.forbidden("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    if errors:
        raise Invalid.of("PodLogOptions", pod, errors)
