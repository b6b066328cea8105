"""Endpoints that read from registries: pull, and what a registry says about an image."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from dockyard.engine.distribution.client import Client
from dockyard.engine.distribution.credentials import Credentials, from_header
from dockyard.engine.distribution.errors import TransferError, Unreachable, as_answer, pull_answer
from dockyard.engine.distribution.location import Location, locate
from dockyard.engine.distribution.manifests import Manifest, Platform, parse_platform
from dockyard.engine.distribution.progress import Message, Progress
from dockyard.engine.distribution.pull import Pull
from dockyard.engine.distribution.streaming import failure, line, stream
from dockyard.engine.distribution.threads import aside
from dockyard.engine.errors import Failed
from dockyard.engine.image_events import tell
from dockyard.engine.image_import import ImageImport
from dockyard.engine.image_names import checked
from dockyard.engine.parameters import Document
from dockyard.engine.routes import Routes
from dockyard.runtime import catalog
from dockyard.runtime.images import ImageNotFound
from dockyard.runtime.incoming import MAX_CONFIG, BadImage, read_config
from dockyard.wire.http import Request, Response, StreamResponse, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

REAL_IMAGES = "DOCKYARD_REAL_IMAGES"  # environment variable: ask the registry before the catalog
_STREAM = [("Content-Type", "application/json")]


def routes(engine: Engine) -> Routes:
    api = PullApi(engine)
    importing = ImageImport(engine)

    async def create(request: Request) -> StreamResponse:
        if not request.query.get("fromImage") and request.query.get("fromSrc"):
            return await importing.create(request)
        return await api.pull(request)

    yield "POST", "/images/create", create
    yield "GET", "/distribution/{name:path}/json", api.distribution


class PullApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.runtime.images
        self._machine = catalog.architecture()

    async def pull(self, request: Request) -> StreamResponse:
        source, tag = request.query.get("fromImage"), request.query.get("tag")
        if not source:
            raise Failed('Get "http:": http: no Host in request URL')
        credentials = from_header(request.headers.get("x-registry-auth"))
        platform = parse_platform(request.query.get("platform"), self._machine)
        checked(source)
        location = locate(checked(f"{source}{'@' if ':' in tag else ':'}{tag}" if tag else source))
        if self._plays(location, platform) and not os.environ.get(REAL_IMAGES):
            return StreamResponse(200, _STREAM, self._stand_in(location))
        wanted = [location]
        if not tag and checked(source) == checked(f"{source}:latest"):
            wanted = await aside(_all_tags, location, credentials)
        pulls = []
        for each in wanted:
            pull = Pull(self._store, each, platform, credentials)
            try:
                pulls.append((each, pull, await aside(pull.find)))
            except Unreachable as error:
                if self._plays(location, platform):
                    return StreamResponse(200, _STREAM, self._stand_in(location, str(error)))
                raise pull_answer(error, each) from None
            except TransferError as error:
                raise pull_answer(error, each) from None
        return StreamResponse(200, _STREAM, self._run(pulls))

    def _plays(self, location: Location, platform: Platform) -> bool:
        """Whether the catalog has it: then it can be had without any registry."""
        # Differs: `docker pull` of a base image with a stand-in takes any tag, also one that the real
        # repository doesn't have.
        return (
            not location.digest
            and platform.architecture == self._machine
            and catalog.find(location.reference) is not None
        )

    async def _run(self, pulls: list[tuple[Location, Pull, Manifest]]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()

        def work(progress: Progress) -> None:
            for location, pull, found in pulls:
                pull.run(found, progress)
                loop.call_soon_threadsafe(self._tell, location)

        async for text in stream(work):
            yield text

    def _tell(self, location: Location) -> None:
        image = self._store.find(location.reference)
        if image is not None:
            tell(self._engine.events, "pull", image, location.name, identifier=location.reference)

    async def _stand_in(self, location: Location, why: str = "") -> AsyncIterator[bytes]:
        """Answer with the catalog's image. `why` the registry could not be asked, when that was wanted."""
        name = location.reference
        before = self._store.find(name)
        yield line({"status": f"Pulling from {location.path}", "id": location.tag})
        if why:
            yield line({"status": f"{why}: taking the stand-in"})
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Message | None]()

        def progress(text: str) -> None:
            # Differs: `docker pull` of a stand-in fetches nothing: the image is made of this machine's own
            # programs, and says so.
            loop.call_soon_threadsafe(queue.put_nowait, {"status": text})

        work = asyncio.ensure_future(asyncio.to_thread(self._store.resolve, name, progress))
        work.add_done_callback(lambda _: queue.put_nowait(None))
        while (message := await queue.get()) is not None:
            yield line(message)
        try:
            image = work.result()
        except (ImageNotFound, catalog.Unavailable) as error:
            yield line(failure(str(error)))
            return
        self._tell(location)
        same = before is not None and before.id == image.id
        yield line({"status": f"Digest: {image.id}"})
        what = "Image is up to date" if same else "Downloaded newer image"
        yield line({"status": f"Status: {what} for {name}"})

    async def distribution(self, request: Request) -> Response:
        location = locate(checked(request.path_parameters["name"]))
        client = Client(location, from_header(request.headers.get("x-registry-auth")))
        try:
            return json_response(await aside(_describe, client, location))
        except TransferError as error:
            raise as_answer(error) from None
        except BadImage as error:
            raise Failed(str(error)) from None


def _all_tags(location: Location, credentials: Credentials) -> list[Location]:
    try:
        tags = Client(location, credentials).tags()
    except TransferError as error:
        raise pull_answer(error, location) from None
    return [locate(f"{location.name}:{tag}") for tag in tags]


def _describe(client: Client, location: Location) -> Document:
    manifest = client.manifest(location.wanted)
    return {
        "Descriptor": {"mediaType": manifest.kind, "digest": manifest.digest, "size": manifest.size},
        "Platforms": [_shown(platform) for platform in _platforms(client, manifest)],
    }


def _platforms(client: Client, manifest: Manifest) -> list[Platform]:
    if manifest.is_list:
        return [platform for platform, _ in manifest.platforms()]
    answer, _ = client.blob(manifest.config.digest)
    with answer:
        config = read_config(answer.read_all(MAX_CONFIG))
    return [Platform(str(config.get("os", "")), str(config.get("architecture", "")))]


def _shown(platform: Platform) -> Document:
    shown = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    return {name: value for name, value in shown.items() if value}
