"""GET /system/df: what images, containers, volumes and the builder's caches take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dockyard.engine import images, render, rootfs
from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter
from dockyard.engine.parameters import Document
from dockyard.engine.routes import Routes
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine
    from dockyard.runtime.image import Image

_KINDS = ("container", "image", "volume", "build-cache")


def routes(engine: Engine) -> Routes:
    async def disk_usage(request: Request) -> Response:
        kinds = request.query.getlist("type")
        for kind in kinds:
            if kind not in _KINDS:
                raise BadParameter(f"unknown object type: {kind}")
        answer: Document = {}
        if not kinds or "image" in kinds:
            answer.update(_images(engine))
        if not kinds or "container" in kinds:
            answer["Containers"] = [_container(engine, one) for one in engine.registry]
        if not kinds or "volume" in kinds:
            answer["Volumes"] = [_volume(engine, volume) for volume in engine.volumes.all()]
        if not kinds or "build-cache" in kinds:
            # The classic builder's cache are images, which are listed as such.
            answer["BuildCache"] = []
        return json_response(answer)

    yield "GET", "/system/df", disk_usage


def _images(engine: Engine) -> Document:
    store = engine.runtime.images
    listed: Sequence[Image] = store.list()
    sizes = {layer: store.layers.get(layer).size for image in listed for layer in image.layers}
    users = Counter(layer for image in listed for layer in set(image.layers))
    shown = []
    for image in listed:
        entry = images.summary(image, engine.registry)
        entry["Containers"] = sum(1 for one in engine.registry if one.document["Image"] == image.id)
        entry["SharedSize"] = sum(sizes[layer] for layer in image.layers if users[layer] > 1)
        entry["RepoDigests"] = entry["RepoDigests"] or None
        shown.append(entry)
    return {"LayersSize": sum(sizes.values()), "Images": shown}


def _container(engine: Engine, container: Container) -> Document:
    shown = render.summary(container, engine.networks, engine.clock.now())
    snapshot = engine.runtime.snapshots.get(container.id)
    own = rootfs.writable_size(snapshot) if snapshot else 0
    image = engine.runtime.images.find(container.document["Image"])
    if own:
        shown["SizeRw"] = own
    shown["SizeRootFs"] = own + (image.size if image else 0)
    return shown


def _volume(engine: Engine, volume: Document) -> Document:
    name = volume["Name"]
    usage = {"RefCount": len(engine.lifecycle.volume_users(name)), "Size": engine.volumes.size(name)}
    return {**volume, "UsageData": usage}
