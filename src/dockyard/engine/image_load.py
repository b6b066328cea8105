"""`docker load`: the images in an archive of `docker save`, or in an OCI image layout."""

from __future__ import annotations

import json
import posixpath
import secrets
import tarfile
import tempfile
from collections.abc import Callable
from typing import IO, Any

from dockyard.engine.distribution.errors import TransferError
from dockyard.engine.distribution.manifests import MAX_MANIFEST, Manifest, Platform, read_manifest
from dockyard.engine.distribution.progress import Watched
from dockyard.runtime.decompress import Decompressed
from dockyard.runtime.disk_room import Budget, room
from dockyard.runtime.images import Image, ImageStore
from dockyard.runtime.incoming import MAX_CONFIG, BadImage, read_config
from dockyard.runtime.layer_entry import LayerError
from dockyard.runtime.layer_unpack import safe_name
from dockyard.runtime.references import InvalidReference, familiar, short_id
from dockyard.runtime.strict_tar import StrictInfo

_MAX_MEMBERS = 100_000
_MAX_LINKS = 5
_CHUNK = 1 << 20
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")

Say = Callable[[str], None]
Bar = Callable[[str, str, int], Callable[[int], None]]


class LoadError(Exception):
    """The archive holds no images that can be had."""


class Archive:
    """The members of an archive by name, read where they are: nothing of it is unpacked by name."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises LoadError: no archive, or a damaged one."""
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            self._tar = tarfile.open(fileobj=file, mode="r:", tarinfo=StrictInfo)  # noqa: SIM115  - over a file of our caller
            for member in self._tar:
                self._members[safe_name(member.name)] = member
                if len(self._members) > _MAX_MEMBERS:
                    raise LoadError("the archive has too many members")
        except (tarfile.TarError, LayerError, EOFError) as error:
            if str(error) == "empty file":  # no bytes at all are an archive of nothing
                return
            short = "truncated" in str(error) or "unexpected end" in str(error)
            raise LoadError(
                "unexpected EOF" if short else f"archive/tar: invalid tar header ({error})"
            ) from None

    def has(self, name: str) -> bool:
        return name in self._members

    def open(self, name: str) -> IO[bytes]:
        """A file of the archive; links are followed inside it. Raises LoadError."""
        path = self._safe(name)
        for _ in range(_MAX_LINKS):
            member = self._members.get(path)
            if member is not None and member.isreg():
                content = self._tar.extractfile(member)
                assert content is not None
                return content
            if member is None or not (member.issym() or member.islnk()):
                break
            target = (
                posixpath.join(posixpath.dirname(path), member.linkname)
                if member.issym()
                else member.linkname
            )
            path = self._safe(posixpath.normpath(target))
        raise LoadError(f"open {name}: no such file or directory")

    def read(self, name: str, limit: int) -> bytes:
        with self.open(name) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise LoadError(f"{name}: more than {limit} bytes")
        return data

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.read(name, MAX_MANIFEST))
        except ValueError as error:
            raise LoadError(f"{name}: {error}") from None

    @staticmethod
    def _safe(name: str) -> str:
        try:
            return safe_name(name)
        except LayerError as error:
            raise LoadError(f"invalid archive: {error}") from None


class Load:
    """One load. Blocking: use it in a thread."""

    def __init__(self, store: ImageStore, platform: Platform, say: Say, bar: Bar) -> None:
        self._store = store
        self._platform = platform
        self._say = say
        self._bar = bar

    def run(self, file: IO[bytes]) -> list[Image]:
        """Take all images in. Raises LoadError; the images before the bad one stay."""
        try:
            with self._plain(file) as plain:
                return self._all(Archive(plain))
        except (LayerError, BadImage, TransferError, InvalidReference) as error:
            raise LoadError(str(error)) from None

    def _plain(self, file: IO[bytes]) -> IO[bytes]:
        """The archive without its compression."""
        source = Decompressed(file)
        if not source.compressed:
            return file
        budget = Budget(room(self._store.root))
        plain = tempfile.TemporaryFile(dir=self._store.root)  # noqa: SIM115  - `run` closes it
        try:
            while chunk := source.read(_CHUNK):
                budget.take(len(chunk))
                plain.write(chunk)
            plain.seek(0)
        except BaseException:
            plain.close()
            raise
        return plain

    def _all(self, archive: Archive) -> list[Image]:
        if archive.has("manifest.json"):
            entries = archive.json("manifest.json")
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise LoadError("manifest.json: no list of images")
            return [self._saved(archive, entry) for entry in entries]
        if archive.has("index.json"):
            return self._index(archive, archive.json("index.json"), "")
        place = self._store.root / f"docker-import-{secrets.randbelow(10**10):010}"
        raise LoadError(f"open {place}/repositories: no such file or directory")

    def _saved(self, archive: Archive, entry: dict[str, Any]) -> Image:
        """One image of manifest.json."""
        config, layers, tags = entry.get("Config"), entry.get("Layers") or [], entry.get("RepoTags") or []
        if not isinstance(config, str) or not _texts(layers) or not _texts(tags):
            raise LoadError("manifest.json: an image without Config, Layers or RepoTags")
        return self._take(archive, archive.read(config, MAX_CONFIG), layers, tags)

    def _index(self, archive: Archive, index: Any, name: str) -> list[Image]:
        """The images of an OCI index; of one image for several platforms, this machine's."""
        listed = index.get("manifests") if isinstance(index, dict) else None
        images: list[Image] = []
        for entry in listed or ():
            annotations = entry.get("annotations") or {}
            called = next((str(annotations[key]) for key in _NAMES if annotations.get(key)), name)
            manifest = self._manifest(archive, str(entry.get("digest")))
            if manifest.is_list and any(platform.os for platform, _ in manifest.platforms()):
                manifest = self._manifest(archive, manifest.choose(self._platform).digest)
            elif manifest.is_list:
                images += self._index(archive, manifest.document, called)
                continue
            document = archive.read(_blob(manifest.config.digest), MAX_CONFIG)
            layers = [_blob(layer.digest) for layer in manifest.layers]
            tags = [called] if "/" in called or ":" in called else []
            images.append(self._take(archive, document, layers, tags))
        return images

    def _manifest(self, archive: Archive, digest: str) -> Manifest:
        return read_manifest(archive.read(_blob(digest), MAX_MANIFEST), "", digest)

    def _take(self, archive: Archive, document: bytes, layers: list[str], tags: list[str]) -> Image:
        names = [familiar(tag) for tag in tags]
        diff_ids = read_config(document)["rootfs"]["diff_ids"]
        if len(layers) != len(diff_ids):
            raise LoadError(
                f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {len(layers)}"
            )
        with self._store.incoming() as incoming:
            for path, diff_id in zip(layers, diff_ids, strict=True):
                if incoming.have(diff_id):
                    continue
                with archive.open(path) as file:
                    size = file.seek(0, 2)
                    file.seek(0)
                    bar = self._bar("Loading layer", short_id(diff_id), size)
                    incoming.add(Watched(Decompressed(file), file, bar), diff_id)
            image = incoming.finish(document)
        for name in names:
            self._name(image, name)
        if not names:
            self._say(f"Loaded image ID: {image.id}\n")
        return image

    def _name(self, image: Image, name: str) -> None:
        before = self._store.find(name)
        if before is not None and before.id != image.id:
            self._say(
                f"The image {name} already exists, renaming the old one with ID {before.id} to empty string\n"
            )
        self._store.tag(image.id, name)
        self._say(f"Loaded image: {name}\n")


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
