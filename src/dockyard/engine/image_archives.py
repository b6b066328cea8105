"""Endpoints of image archives: save, laid out as OCI says with the manifest that `load` reads, and load."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from dockyard.engine.distribution.errors import TransferError
from dockyard.engine.distribution.manifests import parse_platform
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.distribution.streaming import stream
from dockyard.engine.errors import NotFound
from dockyard.engine.image_load import Load, LoadError
from dockyard.engine.parameters import flag
from dockyard.engine.routes import Routes
from dockyard.engine.spool import spool
from dockyard.runtime import catalog
from dockyard.runtime.image_removal import repository
from dockyard.runtime.images import Image, ImageNotFound, ImageStore
from dockyard.runtime.references import InvalidReference, familiar
from dockyard.wire.http import Request, StreamResponse

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_CHUNK = 1 << 18
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def routes(engine: Engine) -> Routes:
    api = ImageArchives(engine)
    yield "GET", "/images/get", api.save
    yield "POST", "/images/load", api.load
    yield "GET", "/images/{name:path}/get", api.save


class ImageArchives:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.runtime.images

    async def save(self, request: Request) -> StreamResponse:
        """Stream the named images; a tag that was asked for is in the archive, an id brings none along."""
        named = request.path_parameters.get("name")
        references = [named] if named else request.query.getlist("names")
        wanted = [one for reference in references for one in self._find(reference)]
        # The archive is written before its first byte is sent: what fails, fails with a status.
        archive = await asyncio.to_thread(self._write, wanted)
        return StreamResponse(200, [("Content-Type", "application/x-tar")], _read(archive))

    def _find(self, reference: str) -> list[tuple[Image, str | None]]:
        """The images meant, each with its tag if a name was asked for; a bare name means all its tags."""
        try:
            name = familiar(reference)
            bare = name != reference and familiar(f"{reference}:latest") == name
        except InvalidReference:
            bare, name = False, ""
        tags = self._store.records.names_in(repository(name)) if bare else []
        if tags:
            return [(self._store.get(tag), tag) for tag in tags]
        try:
            image = self._store.get(reference)
        except (ImageNotFound, InvalidReference):
            if bare:
                raise NotFound(f"No such image: {reference}") from None
            raise NotFound("reference does not exist") from None
        return [(image, name if name in image.repo_tags else None)]

    async def load(self, request: Request) -> StreamResponse:
        """Take in the images of an archive; whatever is wrong with it stands in the stream."""
        quiet = flag(request, "quiet")
        platform = parse_platform(request.query.get("platform"), catalog.architecture())
        file = await spool(request.stream(), self._store.root)
        loop = asyncio.get_running_loop()

        def work(progress: Progress) -> None:
            def bar(status: str, identifier: str, total: int) -> Callable[[int], None]:
                return (lambda _: progress.check()) if quiet else progress.bar(status, identifier, total)

            with file:
                try:
                    images = Load(self._store, platform, progress.text, bar).run(file)
                except LoadError as error:
                    raise TransferError(str(error)) from None
            for image in images:
                loop.call_soon_threadsafe(self._tell, image)

        return StreamResponse(200, [("Content-Type", "application/json")], stream(work))

    def _tell(self, image: Image) -> None:
        self._engine.events.publish("image", "load", image.id, {"name": image.id})

    def _write(self, wanted: Sequence[tuple[Image, str | None]]) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115  - whoever streams it closes it
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _Archive(archive, self._store).write(wanted)
        file.seek(0)
        return file


class _Archive:
    """One archive while it is written; a blob that several images share is in it once."""

    def __init__(self, archive: tarfile.TarFile, store: ImageStore) -> None:
        self._archive = archive
        self._store = store
        self._written: set[str] = set()

    def write(self, wanted: Sequence[tuple[Image, str | None]]) -> None:
        manifests: list[dict[str, Any]] = []
        listed: dict[str, dict[str, Any]] = {}
        for image, tag in wanted:
            layers = [self._layer(digest) for digest in image.layers]
            text = self._store.document(image)
            config = self._blob(text, _CONFIG)
            manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
            descriptor = self._blob(json.dumps(manifest).encode(), _MANIFEST)
            if tag:
                descriptor["annotations"] = {"io.containerd.image.name": tag}
            manifests.append(descriptor)
            entry = listed.setdefault(
                image.id,
                {
                    "Config": _path(config["digest"]),
                    "RepoTags": [],
                    "Layers": [_path(layer["digest"]) for layer in layers],
                },
            )
            entry["RepoTags"] += [tag] if tag and tag not in entry["RepoTags"] else []
        self._add("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
        self._add("index.json", json.dumps(index).encode())
        self._add("manifest.json", json.dumps([*listed.values()]).encode())

    def _layer(self, digest: str) -> dict[str, Any]:
        with tempfile.TemporaryFile() as file:
            self._store.layers.write_tar(digest, file)
            size = file.tell()
            file.seek(0)
            if digest not in self._written:
                self._written.add(digest)
                self._archive.addfile(_file(_path(digest), size), file)
        return {"mediaType": _LAYER, "digest": digest, "size": size}

    def _blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if digest not in self._written:
            self._written.add(digest)
            self._add(_path(digest), data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _add(self, name: str, data: bytes) -> None:
        self._archive.addfile(_file(name, len(data)), BytesIO(data))


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _file(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
