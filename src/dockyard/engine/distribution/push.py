"""Pushes an image: what the registry lacks of its layers and configuration, and last the manifest."""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
import zlib
from collections.abc import Callable
from typing import IO

from dockyard.engine.distribution.client import Client
from dockyard.engine.distribution.credentials import NOBODY, Credentials
from dockyard.engine.distribution.errors import Refused, Stopped, TransferError, Unreachable
from dockyard.engine.distribution.location import Location
from dockyard.engine.distribution.manifests import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    Descriptor,
    write_manifest,
)
from dockyard.engine.distribution.progress import Progress
from dockyard.runtime.image_records import Blob
from dockyard.runtime.images import Image, ImageStore
from dockyard.runtime.references import short_id

ATTEMPTS = 4
_PAUSE = 0.2  # seconds before the second attempt; each later one waits twice as long
_AT_ONCE = 5  # uploads that upstream makes side by side; ours go one after the other, told the same
_LEVEL = 4  # of gzip: half the time of the usual 6, a hundredth more bytes


class Push:
    """One push of one tag. Blocking: use it in a thread."""

    def __init__(self, store: ImageStore, location: Location, credentials: Credentials = NOBODY) -> None:
        self._store = store
        self._location = location
        self._client = Client(location, credentials, actions="pull,push")

    def begin(self) -> None:
        """Find the registry. Raises TransferError."""
        self._client.ping()

    def run(self, image: Image, progress: Progress) -> None:
        """Send what is missing there. Raises TransferError."""
        names = [short_id(layer) for layer in image.layers]
        for number, name in enumerate(reversed(names)):
            progress.layer("Preparing" if number < _AT_ONCE else "Waiting", name)
        layers = [self._layer(diff_id, progress) for diff_id in reversed(image.layers)]
        document = self._store.document(image)
        config = Descriptor("sha256:" + hashlib.sha256(document).hexdigest(), len(document), DOCKER_CONFIG)
        if not self._client.has_blob(config.digest):
            self._upload(io.BytesIO(document), config.digest, config.size, lambda _: progress.check())
        body = write_manifest(config, layers[::-1])
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        tag = self._location.tag
        self._client.put_manifest(tag, DOCKER_MANIFEST, body)
        self._store.tag(image.id, f"{self._location.name}@{digest}")
        progress.say(f"{tag}: digest: {digest} size: {len(body)}")
        progress.aux({"Tag": tag, "Digest": digest, "Size": len(body)})

    def _layer(self, diff_id: str, progress: Progress) -> Descriptor:
        name, home = short_id(diff_id), self._location.repository
        known = self._store.records.blobs(diff_id)
        for blob in sorted(known, key=lambda blob: blob.repository != home):
            if self._client.has_blob(blob.digest):
                self._remember(diff_id, blob.digest, blob.size)
                progress.layer("Layer already exists", name)
                return Descriptor(blob.digest, blob.size, DOCKER_LAYER)
        for blob in known:
            host, _, path = blob.repository.partition("/")
            if host == self._location.host and blob.repository != home:
                upload = self._client.begin_upload(blob.digest, path)
                if not upload:
                    self._remember(diff_id, blob.digest, blob.size)
                    progress.layer(f"Mounted from {path}", name)
                    return Descriptor(blob.digest, blob.size, DOCKER_LAYER)
        return self._send(diff_id, progress)

    def _send(self, diff_id: str, progress: Progress) -> Descriptor:
        name, layer = short_id(diff_id), self._store.layers.get(diff_id)
        with tempfile.TemporaryFile(dir=self._store.root) as file:
            packed = _Gzip(file, progress.check)
            self._store.layers.write_tar(diff_id, packed)
            digest, size = packed.finish()
            if self._client.has_blob(digest):
                progress.layer("Layer already exists", name)
            else:
                self._upload(file, digest, size, _scaled(progress, name, layer.size, size, packed.taken))
                progress.layer("Pushed", name)
        self._remember(diff_id, digest, size)
        return Descriptor(digest, size, DOCKER_LAYER)

    def _remember(self, diff_id: str, digest: str, size: int) -> None:
        self._store.records.add_blob(diff_id, Blob(self._location.repository, digest, size))

    def _upload(self, file: IO[bytes], digest: str, size: int, move: Callable[[int], None]) -> None:
        """Send a blob; after a broken connection only what the registry has not got yet."""
        upload, start, pause = self._client.begin_upload(), 0, _PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if attempt > 1:
                    upload, start = self._client.uploaded(upload)
                if start < size:
                    file.seek(start)
                    upload = self._client.append(upload, _Counted(file, move), start, size)
                self._client.finish_upload(upload, digest)
                return
            except (Refused, Stopped, Unreachable):
                raise
            except TransferError:
                if attempt == ATTEMPTS:
                    raise
            time.sleep(pause)
            pause *= 2


def _scaled(progress: Progress, name: str, files: int, packed: int, archive: int) -> Callable[[int], None]:
    """A bar of `files` bytes, which the archive surpasses a little, moved by compressed bytes."""
    bar = progress.bar("Pushing", name, files, archive)
    return lambda sent: bar(sent * archive // packed)


class _Gzip:
    """A sink that compresses into a file. The time in the header is none: equal layers give equal blobs."""

    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._file = file
        self._check = check
        self.taken = 0  # bytes before compression
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        self._hash = hashlib.sha256()

    def write(self, data: bytes, /) -> None:
        self._check()
        self.taken += len(data)
        self._keep(self._packer.compress(data))

    def finish(self) -> tuple[str, int]:
        """The digest and size of the whole; the file is at its beginning again."""
        self._keep(self._packer.flush())
        size = self._file.tell()
        self._file.seek(0)
        return "sha256:" + self._hash.hexdigest(), size

    def _keep(self, packed: bytes) -> None:
        self._hash.update(packed)
        self._file.write(packed)


class _Counted:
    """A file that tells how far it was read."""

    def __init__(self, file: IO[bytes], move: Callable[[int], None]) -> None:
        self._file = file
        self._move = move

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._file.read(size)
        if chunk:
            self._move(self._file.tell())
        return chunk

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)
