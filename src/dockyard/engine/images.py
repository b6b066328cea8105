"""Endpoints of images: list, inspect, history, pull, tag, remove, prune."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from dockyard.engine.errors import BadParameter, Conflict, EngineError, Failed, NotFound
from dockyard.engine.filters import Filters, parse_filters
from dockyard.engine.moments import moment
from dockyard.engine.parameters import Document, flag
from dockyard.engine.registry import Registry
from dockyard.engine.routes import Routes
from dockyard.engine.versions import ENGINE_VERSION
from dockyard.runtime import catalog
from dockyard.runtime.image_removal import Report, User, chain_ids
from dockyard.runtime.images import Image, ImageInUse, ImageNotFound
from dockyard.runtime.references import InvalidReference, familiar
from dockyard.wire.clock import rfc3339_nano
from dockyard.wire.http import Request, Response, StreamResponse, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_NEVER = "0001-01-01T00:00:00Z"
_LIST_FILTERS = ("before", "dangling", "label", "reference", "since", "until")


def routes(engine: Engine) -> Routes:
    api = Images(engine)
    yield "GET", "/images/json", api.list_images
    yield "POST", "/images/create", api.pull
    yield "POST", "/images/prune", api.prune
    yield "GET", "/images/search", api.search
    yield "GET", "/images/{name:path}/json", api.inspect
    yield "GET", "/images/{name:path}/history", api.history
    yield "POST", "/images/{name:path}/tag", api.tag
    yield "POST", "/images/{name:path}/push", api.push
    yield "GET", "/distribution/{name:path}/json", api.distribution
    yield "DELETE", "/images/{name:path}", api.remove


def summary(image: Image, registry: Registry) -> Document:
    """Return the entry of GET /images/json."""
    return {
        "Containers": sum(1 for container in registry if container.document["Image"] == image.id),
        "Created": int(image.created),
        "Id": image.id,
        "Labels": (image.config.get("config") or {}).get("Labels") or None,
        "ParentId": image.parent,
        "RepoDigests": list(image.repo_digests),
        "RepoTags": list(image.repo_tags),
        "SharedSize": -1,
        "Size": image.size,
    }


def _line(message: Document) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\r\n"


class Images:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.runtime.images

    def _image(self, reference: str) -> Image:
        try:
            return self._store.get(reference)
        except ImageNotFound:
            raise NotFound(f"No such image: {_with_tag(reference)}") from None
        except InvalidReference as error:
            raise BadParameter(_spell_out(str(error), reference)) from None

    def _until(self, filters: Filters) -> float | None:
        now = self._engine.clock.now()
        return min((moment(value, now) for value in filters.get("until")), default=None)

    async def list_images(self, request: Request) -> Response:
        filters = parse_filters(request, _LIST_FILTERS)
        dangling = filters.boolean("dangling", False) if filters.get("dangling") else None
        before = [self._image(value).created for value in filters.get("before")]
        since = [self._image(value).created for value in filters.get("since")]
        until = self._until(filters)
        patterns = [_reference_pattern(value) for value in filters.get("reference")]
        shown = []
        for image in self._store.list(all=flag(request, "all")):
            entry = summary(image, self._engine.registry)
            if patterns:
                tags = [tag for tag in image.repo_tags if any(pattern.fullmatch(tag) for pattern in patterns)]
                if not tags:
                    continue
                entry["RepoTags"] = tags
            if (
                (dangling is None or dangling == (not image.repo_tags))
                and (until is None or image.created < until)
                and filters.labels(entry["Labels"])
                and all(image.created < other for other in before)
                and all(image.created > other for other in since)
            ):
                shown.append(entry)
        return json_response(shown)

    async def inspect(self, request: Request) -> Response:
        image = self._image(request.path_parameters["name"])
        config = image.config
        return json_response(
            {
                "Id": image.id,
                "RepoTags": list(image.repo_tags),
                "RepoDigests": list(image.repo_digests),
                "Parent": image.parent,
                "Comment": config.get("comment", ""),
                "Created": rfc3339_nano(image.created),
                "DockerVersion": ENGINE_VERSION,
                "Author": config.get("author", ""),
                "Architecture": config.get("architecture", ""),
                "Os": config.get("os", "linux"),
                "Size": image.size,
                "GraphDriver": {"Data": {}, "Name": self._engine.runtime.driver.traits.name},
                "RootFS": {"Type": "layers", "Layers": list(image.layers)},
                "Metadata": {"LastTagTime": _NEVER if image.tagged is None else rfc3339_nano(image.tagged)},
                "Config": config.get("config") or {},
            }
        )

    async def history(self, request: Request) -> Response:
        image = self._image(request.path_parameters["name"])
        return json_response(self._store.history(image.id))

    async def pull(self, request: Request) -> StreamResponse:
        source, tag = request.query.get("fromImage"), request.query.get("tag")
        if not source:
            if request.query.get("fromSrc"):
                raise Failed("dockyard does not import images")
            raise Failed('Get "http:": http: no Host in request URL')
        reference = source
        if tag:
            reference = f"{source}@{tag}" if ":" in tag else f"{source}:{tag}"
        try:
            name = familiar(reference)
        except InvalidReference as error:
            raise BadParameter(_spell_out(str(error), source)) from None
        if catalog.find(name) is None:
            raise Failed(unreachable(name))
        return StreamResponse(200, [("Content-Type", "application/json")], self._pull(name))

    async def _pull(self, name: str) -> AsyncIterator[bytes]:
        repository, _, tag = name.rpartition(":")
        before = self._store.find(name)
        path = repository if "/" in repository else f"library/{repository}"
        yield _line({"status": f"Pulling from {path}", "id": tag})
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def progress(text: str) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, text)

        work = asyncio.ensure_future(asyncio.to_thread(self._store.resolve, name, progress))
        work.add_done_callback(lambda _: queue.put_nowait(None))
        while (text := await queue.get()) is not None:
            # Differs: nothing is fetched; the image is made of this machine's own programs, and says so.
            yield _line({"status": text})
        try:
            image = work.result()
        except (ImageNotFound, catalog.Unavailable) as error:
            yield _line({"errorDetail": {"message": str(error)}, "error": str(error)})
            return
        self._engine.events.publish("image", "pull", name, {"name": repository})
        same = before is not None and before.id == image.id
        yield _line({"status": f"Digest: {image.id}"})
        what = "Image is up to date" if same else "Downloaded newer image"
        yield _line({"status": f"Status: {what} for {name}"})

    async def tag(self, request: Request) -> Response:
        image = self._image(request.path_parameters["name"])
        repository, tag = request.query.get("repo"), request.query.get("tag")
        try:
            name = self._store.tag(image.id, f"{repository}:{tag}" if tag else repository)
        except InvalidReference as error:
            raise BadParameter(_spell_out(str(error), repository)) from None
        self._engine.events.publish("image", "tag", image.id, {"name": name})
        return Response(201)

    async def remove(self, request: Request) -> Response:
        reference, force = request.path_parameters["name"], flag(request, "force")
        image = self._image(reference)
        try:
            removal = self._store.remove(
                reference, force=force, prune=not flag(request, "noprune"), users=self._users
            )
        except ImageInUse as error:
            raise Conflict(str(error)) from None
        self._tell(image, removal.report)
        return json_response(removal.report)

    def _tell(self, image: Image, report: Report) -> None:
        """Publish what happened; layers, which are in a report too, are nobody's news."""
        for step in report:
            if "Untagged" in step:
                self._engine.events.publish("image", "untag", image.id, {"name": image.id})
            elif step["Deleted"] not in chain_ids(image.layers):
                identifier = step["Deleted"]
                self._engine.events.publish("image", "delete", identifier, {"name": identifier})

    def _users(self, identifier: str) -> list[User]:
        return [
            User(container.id, container.running)
            for container in self._engine.registry
            if container.document["Image"] == identifier
        ]

    async def prune(self, request: Request) -> Response:
        filters = parse_filters(request, ("dangling", "label", "label!", "until"))
        only_dangling = filters.boolean("dangling", True)
        until = self._until(filters)
        report: Report = []
        reclaimed = 0
        for image in self._store.list():
            if only_dangling and image.repo_tags:
                continue
            if until is not None and image.created >= until:
                continue
            if not filters.labels((image.config.get("config") or {}).get("Labels")):
                continue
            sizes = {layer: self._store.layers.get(layer).size for layer in image.layers}
            for name in [*image.repo_tags, *image.repo_digests] or [image.id]:
                try:
                    removal = self._store.remove(name, users=self._users)
                except (ImageNotFound, ImageInUse):
                    continue  # gone with another one, or needed
                report += removal.report
                reclaimed += sum(sizes.get(layer, 0) for layer in removal.layers)
                self._tell(image, removal.report)
        self._engine.events.publish("image", "prune", "", {"reclaimed": str(reclaimed)})
        return json_response({"ImagesDeleted": report or None, "SpaceReclaimed": reclaimed})

    async def search(self, request: Request) -> Response:
        term = request.query.get("term")
        raise Failed(
            f'Get "https://index.docker.io/v1/search?q={term}&n=25": dial tcp: lookup index.docker.io: '
            "no such host"
        )

    async def push(self, request: Request) -> StreamResponse:
        name, tag = request.path_parameters["name"], request.query.get("tag")
        short = re.sub(r"^(index\.)?docker\.io/(library/)?", "", name)
        full = (
            name
            if "." in name.partition("/")[0] or ":" in name.partition("/")[0]
            else f"docker.io/library/{name}"
        )
        try:
            self._image(f"{short}:{tag}" if tag else short)
            # Differs: images are pushed nowhere.
            problem = unreachable(short)
        except EngineError:
            problem = f"An image does not exist locally with the tag: {short}"

        async def lines() -> AsyncIterator[bytes]:
            yield _line({"status": f"The push refers to repository [{full}]"})
            yield _line({"errorDetail": {"message": problem}, "error": problem})

        return StreamResponse(200, [("Content-Type", "application/json")], lines())

    async def distribution(self, request: Request) -> Response:
        raise Failed(unreachable(request.path_parameters["name"]))


def unreachable(name: str) -> str:
    """Return what upstream says when a registry's name does not resolve.

    Differs: no registry is ever asked; only the catalog's images can be pulled.
    """
    first, slash, _ = name.partition("/")
    host = (
        first if slash and ("." in first or ":" in first or first == "localhost") else "registry-1.docker.io"
    )
    if host.partition(":")[0] in ("localhost", "127.0.0.1"):
        port = host.partition(":")[2] or "80"
        return f'Get "http://{host}/v2/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    return f'Get "https://{host}/v2/": dial tcp: lookup {host.partition(":")[0]}: no such host'


def _with_tag(reference: str) -> str:
    if reference.startswith("sha256:"):
        return reference
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def _spell_out(message: str, reference: str) -> str:
    """Add the name to a complaint about capitals, as upstream does."""
    if not message.endswith("must be lowercase") and reference == reference.lower():
        return message
    first, slash, rest = reference.partition("/")
    name = reference if slash else f"library/{reference}"
    if slash and (first != first.lower() or "." in first or ":" in first or first == "localhost"):
        name = rest
    return f"invalid reference format: repository name ({name}) must be lowercase"


def _reference_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of the `reference` filter: `*` within one part, any tag when it names none."""
    parts = (
        ".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part)
        for part in re.split(r"(\*\*|\*)", text)
    )
    pattern = "".join(parts)
    return re.compile(pattern if ":" in text.rpartition("/")[2] else f"{pattern}:[^/]+")
