"""`docker save`: images as an archive, laid out as OCI says, with the manifest that `docker load` reads."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from dockyard.engine.errors import NotFound
from dockyard.engine.routes import Routes
from dockyard.runtime.images import Image, ImageNotFound
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
    yield "GET", "/images/{name:path}/get", api.save


class ImageArchives:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._store = engine.runtime.images

    async def save(self, request: Request) -> StreamResponse:
        """Stream the named images; a tag that was asked for is in the archive, an id brings none along."""
        named = request.path_parameters.get("name")
        references = [named] if named else request.query.getlist("names")
        wanted = [self._find(reference) for reference in references]
        # The archive is written before its first byte is sent: what fails, fails with a status.
        archive = await asyncio.to_thread(self._write, wanted)
        return StreamResponse(200, [("Content-Type", "application/x-tar")], _read(archive))

    def _find(self, reference: str) -> tuple[Image, str | None]:
        """The image, and its tag if it was asked for by one."""
        try:
            image = self._store.get(reference)
            tag = familiar(reference)
        except (ImageNotFound, InvalidReference):
            raise NotFound("reference does not exist") from None
        return image, tag if tag in image.repo_tags else None

    def _write(self, wanted: Sequence[tuple[Image, str | None]]) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115  - whoever streams it closes it
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _Archive(archive, self._store.layers.write_tar).write(wanted)
        file.seek(0)
        return file


class _Archive:
    """One archive while it is written; a blob that several images share is in it once."""

    def __init__(self, archive: tarfile.TarFile, write_layer: Any) -> None:
        self._archive = archive
        self._write_layer = write_layer
        self._written: set[str] = set()

    def write(self, wanted: Sequence[tuple[Image, str | None]]) -> None:
        manifests: list[dict[str, Any]] = []
        listed: dict[str, dict[str, Any]] = {}
        for image, tag in wanted:
            layers = [self._layer(digest) for digest in image.layers]
            text = self._document(image)
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

    @staticmethod
    def _document(image: Image) -> bytes:
        """The configuration byte for byte as its id was computed from."""
        return json.dumps(image.config, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def _layer(self, digest: str) -> dict[str, Any]:
        with tempfile.TemporaryFile() as file:
            self._write_layer(digest, file)
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
