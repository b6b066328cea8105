"""What an engine is made of, and the way from a request to the family that answers it."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine import (
    archive_api,
    build_api,
    commit,
    containers,
    disk_usage,
    events_api,
    exec_api,
    image_archives,
    images,
    networks_api,
    out_of_scope,
    streams_api,
    system,
    volumes_api,
)
from dockyard.engine.errors import BadParameter, EngineError
from dockyard.engine.events import Events
from dockyard.engine.executions import Executions
from dockyard.engine.launcher import Launcher
from dockyard.engine.lifecycle import Lifecycle
from dockyard.engine.networks import Networks
from dockyard.engine.registry import Registry
from dockyard.engine.store import Store
from dockyard.engine.versions import HEADERS, split_version
from dockyard.engine.volumes import Volumes
from dockyard.wire.clock import Clock
from dockyard.wire.headers import header_pairs
from dockyard.wire.http import Handler, HttpError, Request, Response, StreamResponse, json_response
from dockyard.wire.router import Router

if TYPE_CHECKING:
    from dockyard.runtime.runtime import Runtime

logger = logging.getLogger(__name__)

FAMILIES = (
    system,
    events_api,
    disk_usage,
    containers,
    archive_api,
    commit,
    streams_api,
    exec_api,
    image_archives,
    images,
    build_api,
    volumes_api,
    networks_api,
    out_of_scope,
)
"""The modules of endpoints; each has `routes`."""


class Engine:
    """One engine, with all of its state below `home`. Two can live in one process."""

    def __init__(self, home: Path, runtime: Runtime, clock: Clock) -> None:
        self.home = home
        self.runtime = runtime
        self.clock = clock
        self.store = Store(home / "engine.sqlite")
        self.events = Events(clock)
        self.registry = Registry(self.store)
        self.volumes = Volumes(home / "volumes", self.store, clock)
        self.networks = Networks(self.store, runtime.network, clock)
        self.launcher = Launcher(
            runtime, self.registry, self.networks, self.volumes, self.events, home / "logs", clock
        )
        self.lifecycle = Lifecycle(runtime, self.launcher, self.registry, self.volumes, self.events, clock)
        self.executions = Executions(runtime, self.events)
        self._router = Router()
        for family in FAMILIES:
            for method, pattern, handler in family.routes(self):
                self._router.add(method, pattern, handler)

    async def start(self) -> None:
        """Take up what an earlier engine left, as a machine does that was switched on again."""
        self.volumes.load()
        self.networks.load()
        self.registry.load()
        await self.lifecycle.boot()

    async def stop(self) -> None:
        """Stop acting. The containers' processes end with the runtime."""
        self.lifecycle.close()
        self.store.close()

    @property
    def identity(self) -> str:
        """Tells this engine from others, for as long as its home lasts."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.home.absolute().as_uri()))

    @property
    def handler(self) -> Handler:
        """The handler for `wire.http.Server`."""
        return self._handle

    async def _handle(self, request: Request) -> Response | StreamResponse | None:
        try:
            _, path = split_version(request.path)
        except BadParameter as error:
            return _with_headers(error.render())
        found = self._router.resolve(request, path)
        if found is None or found.handler is None:
            # Upstream's router knows no 405 either.
            return json_response({"message": "page not found"}, 404)
        try:
            response = await found.handler(request)
        except EngineError as error:
            response = error.render()
        except HttpError as error:
            response = json_response({"message": error.message}, error.status)
        except ConnectionError:
            raise
        except Exception:
            logger.exception("%s %s: failed", request.method, request.raw_path)
            response = json_response({"message": "dockyard: an internal mistake; see the daemon's log"}, 500)
        return None if response is None else _with_headers(response)


def _with_headers(response: Response | StreamResponse) -> Response | StreamResponse:
    response.headers = [*header_pairs(response.headers), *HEADERS]
    return response
