"""Endpoints that speak to registries about more than one image: push, login, search."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dockyard.engine.distribution.client import Client
from dockyard.engine.distribution.credentials import from_document, from_header
from dockyard.engine.distribution.errors import Refused, TransferError, as_answer, push_text
from dockyard.engine.distribution.location import HUB, Location, locate
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.distribution.push import Push
from dockyard.engine.distribution.streaming import Work, stream
from dockyard.engine.distribution.threads import aside
from dockyard.engine.distribution.transport import exchange
from dockyard.engine.errors import BadParameter, Failed
from dockyard.engine.filters import parse_filters
from dockyard.engine.image_events import tell
from dockyard.engine.image_names import checked
from dockyard.engine.parameters import Document, integer
from dockyard.engine.routes import Routes
from dockyard.runtime.images import Image, ImageNotFound
from dockyard.wire.http import Request, Response, StreamResponse, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_INDEX = "https://index.docker.io/v1/"
_MAX_RESULTS = 4 << 20


def routes(engine: Engine) -> Routes:
    api = PushApi(engine)
    yield "POST", "/images/{name:path}/push", api.push
    yield "POST", "/auth", login
    yield "GET", "/images/search", search


class PushApi:
    """Pushing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.runtime.images

    async def push(self, request: Request) -> StreamResponse:
        name, tag = request.path_parameters["name"], request.query.get("tag")
        location = locate(checked(f"{name}:{tag}" if tag else name))
        credentials = from_header(request.headers.get("x-registry-auth"))
        images = self._images(location, all_tags=not tag)
        loop = asyncio.get_running_loop()

        def work(progress: Progress) -> None:
            progress.say(f"The push refers to repository [{location.repository}]")
            if not images:
                raise TransferError(f"An image does not exist locally with the tag: {location.name}")
            for place, image in images:
                push = Push(self._store, place, credentials)
                push.begin()
                push.run(image, progress)
                loop.call_soon_threadsafe(self._tell, place, image)

        return StreamResponse(200, [("Content-Type", "application/json")], _lines(work))

    def _images(self, location: Location, *, all_tags: bool) -> list[tuple[Location, Image]]:
        """What there is to push; without a tag, all of the repository."""
        names = self._store.records.names_in(location.name) if all_tags else [location.reference]
        found = []
        for name in names:
            try:
                found.append((locate(name), self._store.get(name)))
            except ImageNotFound:
                continue
        return found

    def _tell(self, location: Location, image: Image) -> None:
        tell(self._engine.events, "push", image, location.name, identifier=location.reference)


async def _lines(work: Work) -> AsyncIterator[bytes]:
    async for text in stream(work, push_text):
        yield text


async def login(request: Request) -> Response:
    """Try a name and a password at a registry."""
    body = await request.body()
    if not body:
        raise Failed("EOF")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise BadParameter(f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadParameter("invalid JSON: no object")
    server = str(document.get("serveraddress") or _INDEX)
    host = server.partition("://")[2].partition("/")[0] or server.partition("/")[0]
    host = HUB if host in ("index.docker.io", "registry-1.docker.io") else host
    location = Location(host, "", host)
    try:
        await aside(Client(location, from_document(document)).login)
    except Refused as error:
        raise as_answer(error) from None
    except TransferError as error:
        raise Failed(str(error)) from None
    return json_response({"IdentityToken": "", "Status": "Login Succeeded"})


async def search(request: Request) -> Response:
    """Ask the index of Docker Hub."""
    filters = parse_filters(request, ("is-automated", "is-official", "stars"))
    limit = integer(request, "limit", 25)
    if not 0 <= limit <= 100:
        raise BadParameter(f"limit {limit} is outside the range of [1, 100]")
    term = request.query.get("term")
    try:
        results = await aside(_search, term, limit or 25)
    except TransferError as error:
        raise Failed(str(error)) from None
    least = max((int(stars) for stars in filters.get("stars") if stars.isdigit()), default=0)
    official = filters.boolean("is-official", False) if filters.get("is-official") else None
    return json_response(
        [
            result
            for result in results
            if int(result.get("star_count") or 0) >= least
            and (official is None or bool(result.get("is_official")) is official)
        ]
    )


def _search(term: str, limit: int) -> list[Document]:
    url = f"{_INDEX}search?{urlencode({'q': term})}&n={limit}"
    with exchange("GET", url) as answer:
        if answer.status != 200:
            raise TransferError(f"Unexpected status code {answer.status}")
        body = answer.read_all(_MAX_RESULTS)
    try:
        results = json.loads(body).get("results")
    except (ValueError, AttributeError):
        raise TransferError("the index answered with no JSON") from None
    return [result for result in results or () if isinstance(result, dict)]
