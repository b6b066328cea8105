"""Endpoints of containers: create, inspect, list, and what changes their state."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from dockyard.engine import hostconfig, names, ps, render, resources, rootfs
from dockyard.engine.container import Container
from dockyard.engine.container_filters import FILTERS, Wanted
from dockyard.engine.create import new_document
from dockyard.engine.errors import BadParameter, Conflict, Failed, NotFound
from dockyard.engine.filters import parse_filters
from dockyard.engine.links import parse_link
from dockyard.engine.mounts import borrow_mounts
from dockyard.engine.parameters import Document, expect, flag, integer, json_body
from dockyard.engine.routes import Routes
from dockyard.engine.signals import parse_signal
from dockyard.engine.stats import snapshot as stats_snapshot
from dockyard.runtime.catalog import architecture
from dockyard.runtime.errors import NotRunning
from dockyard.runtime.images import ImageNotFound
from dockyard.runtime.references import InvalidReference
from dockyard.wire.http import Request, Response, StreamResponse, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

STATS_SECONDS = 1.0


def routes(engine: Engine) -> Routes:
    api = Containers(engine)
    yield "GET", "/containers/json", api.list_containers
    yield "POST", "/containers/create", api.create
    yield "POST", "/containers/prune", api.prune
    yield "GET", "/containers/{id}/json", api.inspect
    yield "GET", "/containers/{id}/top", api.top
    yield "GET", "/containers/{id}/stats", api.stats
    yield "POST", "/containers/{id}/start", api.start
    yield "POST", "/containers/{id}/stop", api.stop
    yield "POST", "/containers/{id}/kill", api.kill
    yield "POST", "/containers/{id}/restart", api.restart
    yield "POST", "/containers/{id}/pause", api.pause
    yield "POST", "/containers/{id}/unpause", api.unpause
    yield "POST", "/containers/{id}/wait", api.wait
    yield "POST", "/containers/{id}/rename", api.rename
    yield "POST", "/containers/{id}/resize", api.resize
    yield "POST", "/containers/{id}/update", api.update
    yield "DELETE", "/containers/{id}", api.remove


class Containers:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _container(self, request: Request) -> Container:
        return self._engine.registry.get(request.path_parameters["id"])

    async def create(self, request: Request) -> Response:
        body = expect(await json_body(request), Image="string", NetworkingConfig="object")
        engine = self._engine
        if not body or not set(body) - {"HostConfig", "NetworkingConfig"}:
            raise BadParameter("config cannot be empty in order to create a container")
        name = request.query.get("name")
        name = names.validate_name(name) if name else names.generate_name(engine.registry.names)
        reference = body.get("Image") or ""
        if not reference:
            raise BadParameter("no command specified")
        try:
            image = engine.runtime.images.get(reference)
        except ImageNotFound:
            raise NotFound(f"No such image: {_with_tag(reference)}") from None
        except InvalidReference as error:
            raise BadParameter(str(error)) from None
        hostconfig.check_platform(
            request.query.get("platform"), reference, image.config.get("architecture") or architecture()
        )
        engine.registry.check_name(name)
        borrowed = self._borrowed((body.get("HostConfig") or {}).get("VolumesFrom") or [])
        for link in (body.get("HostConfig") or {}).get("Links") or []:
            linked, _alias = parse_link(link)
            if engine.registry.find(linked) is None:
                raise BadParameter(f"could not get container for {linked}: No such container: {linked}")
        document = new_document(
            body, image, name, engine.volumes, engine.networks, engine.clock.now(), borrowed
        )
        container = Container(document)
        with engine.registry.expecting(container):
            try:
                await engine.launcher.prepare(container)
                engine.registry.add(container)
            except BaseException:
                engine.runtime.snapshots.remove(container.id)
                raise
        engine.events.publish("container", "create", container.id, container.event_attributes())
        said = resources.warnings(container.host_config, engine.runtime.enforcement)
        return json_response({"Id": container.id, "Warnings": said}, 201)

    def _borrowed(self, wanted: list[str]) -> list[Document]:
        mounts: list[Document] = []
        for entry in wanted:
            name, _, mode = entry.partition(":")
            try:
                mounts += borrow_mounts(self._engine.registry.get(name), mode)
            except NotFound as error:
                raise BadParameter(error.message) from None
        return mounts

    async def inspect(self, request: Request) -> Response:
        container = self._container(request)
        engine = self._engine
        snapshot = engine.runtime.snapshots.get(container.id)
        document = render.inspect(
            container,
            engine.networks,
            snapshot,
            engine.launcher.log(container).path,
            engine.executions.running(container),
            engine.runtime.driver.traits.storage,
        )
        if flag(request, "size") and snapshot is not None:
            document["SizeRw"] = rootfs.writable_size(snapshot)
            document["SizeRootFs"] = document["SizeRw"] + self._image_size(container)
        return json_response(document)

    def _image_size(self, container: Container) -> int:
        try:
            return self._engine.runtime.images.get(container.document["Image"]).size
        except ImageNotFound:
            return 0

    async def list_containers(self, request: Request) -> Response:
        filters = parse_filters(request, FILTERS.split())
        limit = integer(request, "limit", 0)
        everything = flag(request, "all") or limit > 0 or bool(filters.get("status"))
        with_size = flag(request, "size")
        now = self._engine.clock.now()
        wanted = Wanted(self._engine, filters)
        shown = []
        for container in self._engine.registry:
            if not (everything or container.running) or not wanted.matches(container):
                continue
            entry = render.summary(container, self._engine.networks, now)
            if with_size:
                snapshot = self._engine.runtime.snapshots.get(container.id)
                written = rootfs.writable_size(snapshot) if snapshot else 0
                sizes = {"SizeRw": written, "SizeRootFs": written + self._image_size(container)}
                entry.update((key, size) for key, size in sizes.items() if size)
            shown.append(entry)
            if limit > 0 and len(shown) == limit:
                break
        return json_response(shown)

    async def start(self, request: Request) -> Response:
        if len(await request.body()) > 2:
            raise BadParameter(
                "starting container with non-empty request body was deprecated since API v1.22 "
                "and removed in v1.24"
            )
        container = self._container(request)
        if container.status == "running":
            return Response(304)
        await self._engine.lifecycle.start(container)
        return Response(204)

    async def stop(self, request: Request) -> Response:
        container = self._container(request)
        if not container.running:
            return Response(304)
        name = request.query.get("signal")
        try:
            _ = parse_signal(name) if name else 0
        except BadParameter as error:
            shown = request.path_parameters["id"]
            raise Failed(f"cannot stop container: {shown}: {error.message}") from None
        seconds = integer(request, "t", 0) if request.query.get("t") else None
        await self._engine.lifecycle.stop(container, name, seconds)
        return Response(204)

    async def kill(self, request: Request) -> Response:
        shown = request.path_parameters["id"]
        try:
            container = self._container(request)
        except NotFound as error:
            raise NotFound(f"cannot kill container: {shown}: {error.message}") from None
        await self._engine.lifecycle.kill(container, request.query.get("signal"), shown)
        return Response(204)

    async def restart(self, request: Request) -> Response:
        container = self._container(request)
        seconds = integer(request, "t", 0) if request.query.get("t") else None
        await self._engine.lifecycle.restart(container, request.query.get("signal"), seconds)
        return Response(204)

    async def pause(self, request: Request) -> Response:
        await self._engine.lifecycle.pause(self._container(request))
        return Response(204)

    async def unpause(self, request: Request) -> Response:
        await self._engine.lifecycle.unpause(self._container(request))
        return Response(204)

    async def wait(self, request: Request) -> StreamResponse:
        condition = request.query.get("condition") or "not-running"
        if condition not in ("not-running", "next-exit", "removed"):
            raise BadParameter(f'invalid condition: "{condition}"')
        future = self._container(request).wait(condition)

        async def answer() -> AsyncIterator[bytes]:
            try:
                yield json.dumps({"StatusCode": await future}, separators=(",", ":")).encode() + b"\n"
            finally:
                future.cancel()

        # The head leaves before the exit: `docker run` starts the container only once it has seen it.
        return StreamResponse(200, [("Content-Type", "application/json")], answer())

    async def rename(self, request: Request) -> Response:
        container = self._container(request)
        new = request.query.get("name")
        if not new.removeprefix("/"):
            raise BadParameter("Neither old nor new names may be empty")
        try:
            name = names.validate_name(new, shown=f"/{new}")
        except BadParameter as error:
            raise BadParameter(f"Error when allocating new name: {error.message}") from None
        if name == container.name:
            raise BadParameter("Renaming a container with the same name as its current name")
        old = container.name
        try:
            self._engine.registry.check_name(name)
        except Conflict as error:
            raise Conflict(f"Error when allocating new name: {error.message}") from None
        connected = [network for network in container.endpoints if container.process is not None]
        for network in connected:
            self._engine.networks.withdraw_names(container, network)
        self._engine.registry.rename(container, name)
        for network in connected:
            self._engine.networks.publish_names(container, network)
        attributes = container.event_attributes(oldName=f"/{old}")
        self._engine.events.publish("container", "rename", container.id, attributes)
        return Response(204)

    async def resize(self, request: Request) -> Response:
        rows, columns = size(request)
        container = self._container(request)
        if container.process is None:
            raise Conflict(f"container {container.id} is not running")
        container.process.resize(rows, columns)
        about = container.event_attributes(height=str(rows), width=str(columns))
        self._engine.events.publish("container", "resize", container.id, about)
        return Response(200)

    async def update(self, request: Request) -> Response:
        container = self._container(request)
        body = await json_body(request)
        policy = body.get("RestartPolicy")
        if policy and policy.get("Name"):
            hostconfig.check_restart_policy(policy)
            if container.host_config["AutoRemove"] and policy["Name"] != "no":
                raise Conflict(
                    "Restart policy cannot be updated because AutoRemove is enabled for the container"
                )
        asked = {key: value for key, value in body.items() if key != "RestartPolicy" and value}
        hostconfig.check_resources({**container.host_config, **asked})
        if policy and policy.get("Name"):
            container.host_config["RestartPolicy"] = {
                "Name": policy["Name"],
                "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
            }
        container.host_config.update(asked)
        self._engine.registry.save(container)
        if asked and container.process is not None:
            try:
                await self._engine.runtime.update(container.id, resources.limits(container.host_config))
            except (NotRunning, OSError) as error:
                raise Failed(f"Cannot update container {container.id}: {error}") from error
        self._engine.events.publish("container", "update", container.id, container.event_attributes())
        said = resources.warnings(container.host_config, self._engine.runtime.enforcement)
        return json_response({"Warnings": said or None})

    async def top(self, request: Request) -> Response:
        container = self._container(request)
        if container.process is None:
            raise Conflict(f"container {container.id} is not running")
        pids = await self._engine.runtime.pids(container.id)
        self._engine.events.publish("container", "top", container.id, container.event_attributes())
        return json_response(ps.table(pids, request.query.get("ps_args") or "-ef", self._engine.clock.now()))

    async def stats(self, request: Request) -> Response | StreamResponse:
        container = self._container(request)
        engine = self._engine
        if not flag(request, "stream", default=True):
            first = await stats_snapshot(engine.runtime, container, engine.clock.now(), None)
            if flag(request, "one-shot"):
                # As upstream, which names a container only in samples that were compared.
                return json_response({key: first[key] for key in first if key not in ("id", "name")})
            if container.process is None:
                return json_response(first)
            await engine.clock.sleep(STATS_SECONDS)
            return json_response(await stats_snapshot(engine.runtime, container, engine.clock.now(), first))

        async def samples() -> AsyncIterator[bytes]:
            before: Document | None = None
            while not container.removed:
                before = await stats_snapshot(engine.runtime, container, engine.clock.now(), before)
                yield json.dumps(before, separators=(",", ":")).encode() + b"\n"
                await engine.clock.sleep(STATS_SECONDS)

        return StreamResponse(200, [("Content-Type", "application/json")], samples())

    async def remove(self, request: Request) -> Response:
        shown = request.path_parameters["id"]
        container = self._container(request)
        if flag(request, "link"):
            raise NotFound(f"No such container: {shown}")
        await self._engine.lifecycle.remove(
            container, shown, force=flag(request, "force"), volumes=flag(request, "v")
        )
        return Response(204)

    async def prune(self, request: Request) -> Response:
        filters = parse_filters(request, ("label", "label!", "until"))
        until = filters.until(self._engine.clock.now())
        removed, reclaimed = [], 0
        for container in list(self._engine.registry):
            if container.document["Created"] >= until:
                continue
            if container.running or not filters.labels(container.config["Labels"]):
                continue
            snapshot = self._engine.runtime.snapshots.get(container.id)
            reclaimed += rootfs.writable_size(snapshot) if snapshot else 0
            await self._engine.lifecycle.remove(container, container.id, force=False, volumes=False)
            removed.append(container.id)
        self._engine.events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
        return json_response({"ContainersDeleted": removed or None, "SpaceReclaimed": reclaimed})


def size(request: Request) -> tuple[int, int]:
    """Return rows and columns from `h` and `w`.

    Raises:
        BadParameter: they are no numbers.
    """
    found = []
    for name, word in (("h", "height"), ("w", "width")):
        text = request.query.get(name)
        if not text.isdigit():
            raise BadParameter(f'invalid resize {word} "{text}": invalid syntax')
        found.append(int(text))
    return found[0], found[1]


def _with_tag(reference: str) -> str:
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"
