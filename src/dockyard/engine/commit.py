"""`docker commit`: an image of what a container has written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dockyard.engine.commit_changes import apply_changes
from dockyard.engine.container import Container
from dockyard.engine.create import merge_environment
from dockyard.engine.errors import BadParameter, Failed
from dockyard.engine.image_events import tell
from dockyard.engine.image_names import explain_reference
from dockyard.engine.parameters import Document, flag, json_body
from dockyard.engine.routes import Routes
from dockyard.runtime.images import Image
from dockyard.runtime.references import InvalidReference, familiar
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

# What an image says of a container: a host name or an attached terminal are the container's alone.
_IMAGE_KEYS = (
    *("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell"),
    *("StopSignal", "User", "Volumes", "WorkingDir"),
)
_MERGED = ("ExposedPorts", "Labels", "Volumes")


def routes(engine: Engine) -> Routes:
    yield "POST", "/commit", Commit(engine).commit


class Commit:
    """The one endpoint, which is the containers' and the images'."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def commit(self, request: Request) -> Response:
        asked = await json_body(request, optional=True)
        query = request.query
        if not query.get("container"):
            raise BadParameter('invalid name or ID supplied: ""')
        container = self._engine.registry.get(query.get("container"))
        name = _reference(query.get("repo"), query.get("tag"))
        config = _config(asked, container.config)
        apply_changes(config, query.getlist("changes"))
        running = container.process is not None and container.status != "paused"
        pause = flag(request, "pause", default=True) and running
        if pause:
            await self._engine.lifecycle.pause(container)
        try:
            image = await asyncio.to_thread(
                self._make, container, config, author=query.get("author"), comment=query.get("comment")
            )
        finally:
            if pause and container.status == "paused":
                await self._engine.lifecycle.unpause(container)
        tell(self._engine.events, "create", image, image.id)
        if name:
            self._engine.runtime.images.tag(image.id, name)
            tell(self._engine.events, "tag", image, name)
        about = {"comment": query.get("comment"), "imageID": image.id, "imageRef": name}
        self._engine.events.publish("container", "commit", container.id, container.event_attributes(**about))
        return json_response({"Id": image.id}, 201)

    def _make(self, container: Container, config: Document, *, author: str, comment: str) -> Image:
        runtime = self._engine.runtime
        try:
            layer = runtime.snapshots.diff(container.id, keep=True)
        except KeyError:
            raise Failed(f"the root file system of container {container.id} is gone") from None
        except PermissionError as error:
            raise Failed(f"{error.filename}: {error.strerror}") from None
        return runtime.images.commit(
            runtime.images.find(container.document["Image"]),
            layer if runtime.images.layers.entries(layer.digest) else None,
            config,
            created_by=" ".join(container.config["Cmd"] or ()),
            author=author,
            comment=comment,
        )


def _config(asked: Document, own: Document) -> Document:
    """The image's configuration: what the request says, else what the container has."""
    config = {key: asked.get(key) or own.get(key) for key in _IMAGE_KEYS}
    config["Env"] = merge_environment(asked.get("Env") or [], own.get("Env") or [])
    for key in _MERGED:
        config[key] = {**(own.get(key) or {}), **(asked.get(key) or {})} or None
    if config["Healthcheck"] is None:
        del config["Healthcheck"]
    optional = ("ExposedPorts", "Shell", "StopSignal")
    return {key: value for key, value in config.items() if value or key not in optional}


def _reference(repository: str, tag: str) -> str:
    """The name of the new image, "" for none.

    Raises:
        BadParameter: it can't be one.
    """
    if not repository:
        return ""
    if "@" in repository:
        raise BadParameter("cannot import digest reference")
    try:
        familiar(repository)
    except InvalidReference as error:
        raise BadParameter(explain_reference(str(error), repository)) from None
    try:
        return familiar(f"{repository}:{tag}" if tag else repository)
    except InvalidReference:
        raise BadParameter("invalid tag format") from None
