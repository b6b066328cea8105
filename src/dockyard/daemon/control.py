"""The control API: what the command line and the judge ask of the platform itself, on its private socket."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from dockyard.errors import UserError
from dockyard.wire.http import Request, Response, json_response
from dockyard.wire.router import Router

if TYPE_CHECKING:
    from dockyard.daemon.platform import Platform

logger = logging.getLogger(__name__)


class ControlApi:
    """HTTP and JSON: GET /status, POST /stop, POST /faults, POST /nodes, GET /doctor."""

    def __init__(self, platform: Platform, stop: asyncio.Event) -> None:
        self._platform = platform
        self._stop = stop
        self._router = Router()
        self._router.add("GET", "/status", self._status)
        self._router.add("GET", "/doctor", self._doctor)
        self._router.add("POST", "/stop", self._stop_all)
        self._router.add("POST", "/faults", self._faults)
        self._router.add("POST", "/nodes", self._nodes)

    async def handle(self, request: Request) -> Response:
        """Answer one request; refusals carry `error` and `advice` as the command line shows them."""
        match = self._router.resolve(request)
        if match is None or match.handler is None:
            status = 404 if match is None else 405
            return json_response({"error": f"no such endpoint: {request.method} {request.path}"}, status)
        try:
            answer = await match.handler(request)
        except UserError as error:
            return json_response({"error": error.message, "advice": error.advice}, 400)
        except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
            return json_response({"error": f"the request doesn't say what to do: {error!r}"}, 400)
        assert isinstance(answer, Response)
        return answer

    async def _status(self, request: Request) -> Response:
        return json_response(self._platform.describe())

    async def _doctor(self, request: Request) -> Response:
        return json_response(self._platform.examine())

    async def _faults(self, request: Request) -> Response:
        document = json.loads(await request.body())
        action, namespace, selector = document["action"], document["namespace"], document["selector"]
        if action not in ("cut", "restore"):
            raise UserError(f"there is no fault {action!r}", "The action is `cut` or `restore`.")
        hit = self._platform.set_cut(namespace, selector, cut=action == "cut")
        return json_response({"action": action, "pods": hit})

    async def _nodes(self, request: Request) -> Response:
        document = json.loads(await request.body())
        action, name, grace = document["action"], document["node"], document.get("grace")
        if action == "add":
            nodes = await self._platform.add_node(name, str(document["memory"]))
        elif action == "remove":
            nodes = await self._platform.remove_node(name)
        elif action in ("start", "stop"):
            seconds = None if grace is None else float(grace)
            nodes = await self._platform.switch_node(name, on=action == "start", grace=seconds)
        else:
            raise UserError(
                f"nodes don't know {action!r}", "The action is `start`, `stop`, `add` or `remove`."
            )
        return json_response({"action": action, "node": name, "nodes": nodes})

    async def _stop_all(self, request: Request) -> Response:
        await request.body()  # a client that is still sending it would find its connection gone
        logger.info("asked to stop")
        self._stop.set()
        return json_response({"stopping": True})
