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
from dockyard.engine.distribution.location import locate
from dockyard.engine.distribution.manifests import parse_platform
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.distribution.streaming import stream
from dockyard.engine.errors import NotFound
from dockyard.engine.image_events import tell
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
        tell(self._engine.events, "load", image, image.id)

    def _write(self, wanted: Sequence[tuple[Image, str | None]]) -> IO[bytes]:
        file = tempfile.TemporaryFile(dir=self._store.root)  # noqa: SIM115  - whoever streams it closes it
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _Archive(archive, self._store).write(wanted)
        file.seek(0)
        return file


class _Archive:
    """One archive while it is put together; a blob that several images share is in it once."""

    def __init__(self, archive: tarfile.TarFile, store: ImageStore) -> None:
        self._archive = archive
        self._store = store
        self._files: dict[str, bytes] = {}
        self._layers: dict[str, str] = {}

    def write(self, wanted: Sequence[tuple[Image, str | None]]) -> None:
        manifests: list[dict[str, Any]] = []
        listed: dict[str, dict[str, Any]] = {}
        repositories: dict[str, dict[str, str]] = {}
        for image, tag in wanted:
            layers = [self._layer(digest) for digest in image.layers]
            config = self._blob(self._store.document(image), _CONFIG)
            manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
            descriptor = self._blob(_json(manifest), _MANIFEST)
            entry = listed.setdefault(image.id, _listed(config, layers))
            if tag:
                place = locate(tag)
                descriptor["annotations"] = {
                    "io.containerd.image.name": f"{place.repository}:{place.tag}",
                    "org.opencontainers.image.ref.name": place.tag,
                }
                entry["RepoTags"] += [tag] if tag not in entry["RepoTags"] else []
                top = image.layers[-1].removeprefix("sha256:") if image.layers else ""
                repositories.setdefault(place.name, {})[place.tag] = top
            manifests.append(descriptor)
        self._files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
        self._files["index.json"] = _json(index)
        self._files["manifest.json"] = _json([*listed.values()]) + b"\n"
        if repositories:
            self._files["repositories"] = _json(repositories) + b"\n"
        # Differs: `docker save` leaves out the description of each layer that Docker before 1.10 wants to
        # read.
        for directory in ("blobs", "blobs/sha256"):
            self._archive.addfile(_directory(directory))
        for name in sorted([*self._files, *self._layers]):
            self._add(name)

    def _layer(self, digest: str) -> dict[str, Any]:
        self._layers[_path(digest)] = digest
        return {"mediaType": _LAYER, "digest": digest, "size": self._store.layers.tar_size(digest)}

    def _blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._files[_path(digest)] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _add(self, name: str) -> None:
        if name in self._files:
            self._archive.addfile(_file(name, len(self._files[name])), BytesIO(self._files[name]))
            return
        with tempfile.TemporaryFile(dir=self._store.root) as file:
            self._store.layers.write_tar(self._layers[name], file)
            size = file.tell()
            file.seek(0)
            self._archive.addfile(_file(name, size), file)


def _listed(config: dict[str, Any], layers: list[dict[str, Any]]) -> dict[str, Any]:
    """An image's entry in manifest.json."""
    sources = {
        layer["digest"]: {key: layer[key] for key in ("mediaType", "size", "digest")} for layer in layers
    }
    paths = [_path(layer["digest"]) for layer in layers]
    return {"Config": _path(config["digest"]), "RepoTags": [], "Layers": paths, "LayerSources": sources}


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _directory(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name + "/")
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member


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
