"""Endpoints of images: list, inspect, history, pull, tag, remove, prune."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dockyard.engine.distribution import pull_api, push_api
from dockyard.engine.errors import BadParameter, Conflict, NotFound
from dockyard.engine.filters import Filters, parse_filters
from dockyard.engine.image_events import tell
from dockyard.engine.image_names import explain_reference, pattern, with_tag
from dockyard.engine.moments import moment
from dockyard.engine.parameters import Document, flag
from dockyard.engine.registry import Registry
from dockyard.engine.routes import Routes
from dockyard.engine.versions import ENGINE_VERSION, split_version
from dockyard.runtime.image_removal import Report, User, chain_ids
from dockyard.runtime.images import Image, ImageInUse, ImageNotFound
from dockyard.runtime.references import InvalidReference
from dockyard.wire.clock import rfc3339_nano
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_NEVER = "0001-01-01T00:00:00Z"
_LIST_FILTERS = ("before", "dangling", "label", "reference", "since", "until")


def routes(engine: Engine) -> Routes:
    yield from pull_api.routes(engine)
    yield from push_api.routes(engine)
    api = Images(engine)
    yield "GET", "/images/json", api.list_images
    yield "POST", "/images/prune", api.prune
    yield "GET", "/images/{name:path}/json", api.inspect
    yield "GET", "/images/{name:path}/history", api.history
    yield "POST", "/images/{name:path}/tag", api.tag
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


# An image's configuration always shows these.
_ALWAYS: Document = {
    "Cmd": None,
    "Entrypoint": None,
    "Env": None,
    "Labels": None,
    "OnBuild": None,
    "User": "",
    "Volumes": None,
    "WorkingDir": "",
}


def _older(entry: Document, version: tuple[int, int]) -> Document:
    """Return what older clients find in the entry of an image."""
    extra: Document = {}
    if version < (1, 51):
        extra["Containers"] = -1
    if version < (1, 44):
        extra["VirtualSize"] = entry["Size"]
    if version < (1, 43) and not entry["RepoTags"]:
        extra["RepoTags"] = ["<none>:<none>"]
        if not entry["RepoDigests"]:
            extra["RepoDigests"] = ["<none>@<none>"]
    return extra


def shown_config(config: Document) -> Document:
    """Return the `config` of an image as it is shown: these fields always, others when they say something."""
    shown = {**_ALWAYS, **{key: value for key, value in config.items() if value}}
    return dict(sorted(shown.items()))


class Images:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.runtime.images

    def _image(self, reference: str) -> Image:
        try:
            return self._store.get(reference)
        except ImageNotFound:
            raise NotFound(f"No such image: {with_tag(reference)}") from None
        except InvalidReference as error:
            raise BadParameter(explain_reference(str(error), reference)) from None

    def _until(self, filters: Filters) -> float | None:
        now = self._engine.clock.now()
        return min((moment(value, now) for value in filters.get("until")), default=None)

    async def list_images(self, request: Request) -> Response:
        filters = parse_filters(request, _LIST_FILTERS)
        dangling = filters.boolean("dangling", False) if filters.get("dangling") else None
        before = [self._image(value).created for value in filters.get("before")]
        since = [self._image(value).created for value in filters.get("since")]
        until = self._until(filters)
        patterns = [pattern(value) for value in filters.get("reference")]
        version, _ = split_version(request.path)
        shown = []
        images = self._store.list(all=flag(request, "all"))
        shared = self._shared(images) if flag(request, "shared-size") else {}
        for image in images:
            entry = summary(image, self._engine.registry)
            if patterns:
                for key in ("RepoTags", "RepoDigests"):
                    entry[key] = [name for name in entry[key] if any(one.fullmatch(name) for one in patterns)]
                if not entry["RepoTags"] and not entry["RepoDigests"]:
                    continue
            named = bool(image.repo_tags or (image.repo_digests and not dangling))
            if (
                (dangling is None or dangling != named)
                and (until is None or image.created < until)
                and filters.labels(entry["Labels"])
                and all(image.created < other for other in before)
                and all(image.created > other for other in since)
            ):
                shown.append(entry | shared.get(image.id, {}) | _older(entry, version))
        return json_response(shown)

    def _shared(self, images: Sequence[Image]) -> dict[str, Document]:
        """Return for each image what of its size is in others too."""
        users = Counter(layer for image in images for layer in image.layers)
        sizes = {layer: self._store.layers.get(layer).size for layer in users}
        return {
            image.id: {"SharedSize": sum(sizes[layer] for layer in image.layers if users[layer] > 1)}
            for image in images
        }

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
                "GraphDriver": self._graph(image),
                "RootFS": {"Type": "layers", "Layers": list(image.layers)},
                "Metadata": {"LastTagTime": _NEVER if image.tagged is None else rfc3339_nano(image.tagged)},
                "Config": shown_config(config.get("config") or {}),
            }
        )

    def _graph(self, image: Image) -> Document:
        """Where the layers are on the disk."""
        *lower, top = ["", *self._store.layer_paths(image)]
        data = {"LowerDir": ":".join(str(path) for path in reversed(lower[1:])), "UpperDir": str(top)}
        # Differs: MergedDir and WorkDir of an image's GraphDriver name places that are made for containers
        # only.
        data |= {"MergedDir": f"{top}/merged", "WorkDir": f"{top}/work"}
        shown = {key: data[key] for key in sorted(data) if data[key]} if top else None
        return {"Data": shown, "Name": self._engine.runtime.driver.traits.storage}

    async def history(self, request: Request) -> Response:
        image = self._image(request.path_parameters["name"])
        return json_response(self._store.history(image.id))

    async def tag(self, request: Request) -> Response:
        image = self._image(request.path_parameters["name"])
        repository, tag = request.query.get("repo"), request.query.get("tag")
        if not repository:
            return Response(200)  # upstream is content with that
        try:
            name = self._store.tag(image.id, f"{repository}:{tag}" if tag else repository)
        except InvalidReference as error:
            raise BadParameter(explain_reference(str(error), repository)) from None
        tell(self._engine.events, "tag", image, name)
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
                tell(self._engine.events, "untag", image, image.id)
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
