"""Pulls an image: manifest, configuration, layers; seen in the store when all of it is there."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import Future
from typing import IO

from dockyard.engine.distribution.client import Client
from dockyard.engine.distribution.credentials import NOBODY, Credentials
from dockyard.engine.distribution.download import download
from dockyard.engine.distribution.errors import TransferError
from dockyard.engine.distribution.location import Location
from dockyard.engine.distribution.manifests import Descriptor, Manifest, Platform
from dockyard.engine.distribution.progress import Progress, Watched
from dockyard.engine.distribution.threads import start
from dockyard.runtime.decompress import Decompressed
from dockyard.runtime.disk_room import NoRoom, full, room
from dockyard.runtime.image_records import Blob
from dockyard.runtime.images import Image, ImageNotFound, ImageStore
from dockyard.runtime.incoming import MAX_CONFIG, BadImage, Incoming, read_config
from dockyard.runtime.layer_entry import LayerError

_AT_ONCE = 3  # downloads, as upstream has it


class Pull:
    """One pull. Blocking: use it in a thread."""

    def __init__(
        self, store: ImageStore, location: Location, platform: Platform, credentials: Credentials = NOBODY
    ) -> None:
        self._store = store
        self._location = location
        self._platform = platform
        self._client = Client(location, credentials)

    def find(self) -> Manifest:
        """Ask what the tag or digest names; nothing is fetched yet. Raises TransferError."""
        return self._client.manifest(self._location.wanted)

    def run(self, found: Manifest, progress: Progress) -> Image:
        """Fetch what isn't there of what was found. Raises TransferError; then nothing stays."""
        location = self._location
        progress.say(f"Pulling from {location.path}", location.wanted)
        before = self._store.find(location.reference)
        manifest = found
        if found.is_list:
            manifest = self._client.manifest(found.choose(self._platform).digest)
        try:
            image = self._known(manifest) or self._fetch(manifest, progress)
        except (LayerError, BadImage) as error:
            raise TransferError(f"failed to register layer: {error}") from error
        except OSError as error:
            if full(error):
                raise TransferError(str(NoRoom())) from error
            raise TransferError(str(error)) from error
        with self._store.records.lock:
            self._store.tag(image.id, f"{location.name}@{found.digest}")
            if location.tag:
                self._store.tag(image.id, location.reference)
        same = before is not None and before.id == image.id
        progress.say(f"Digest: {found.digest}")
        what = "Image is up to date" if same else "Downloaded newer image"
        progress.say(f"Status: {what} for {location.reference}")
        return image

    def _known(self, manifest: Manifest) -> Image | None:
        """An image's id is the digest of its configuration: it may be here without its name."""
        try:
            return self._store.get(manifest.config.digest)
        except ImageNotFound:
            return None

    def _fetch(self, manifest: Manifest, progress: Progress) -> Image:
        config = manifest.config
        if config.size > MAX_CONFIG:
            raise TransferError("invalid manifest: the image's configuration is too long")
        with tempfile.TemporaryFile(dir=self._store.root) as file:
            download(self._client, config, file, lambda _: progress.check())
            document = file.read()
        diff_ids = read_config(document)["rootfs"]["diff_ids"]
        layers = manifest.layers
        if len(layers) != len(diff_ids):
            raise TransferError("layers from manifest don't match image configuration")
        transfer = _Layers(self._store, self._client, self._location, progress)
        with self._store.incoming() as incoming:
            transfer.run(incoming, [*zip(layers, diff_ids, strict=True)])
            return incoming.finish(document)


class _Layers:
    """The layers of one pull: downloads side by side, unpacking in order."""

    def __init__(self, store: ImageStore, client: Client, location: Location, progress: Progress) -> None:
        self._store = store
        self._client = client
        self._repository = location.repository
        self._progress = progress
        self._places = threading.Semaphore(_AT_ONCE)

    def run(self, incoming: Incoming, layers: list[tuple[Descriptor, str]]) -> None:
        progress = self._progress
        here = [self._store.layers.has(diff_id) for _, diff_id in layers]
        for (blob, _), known in zip(layers, here, strict=True):
            progress.layer("Already exists" if known else "Pulling fs layer", _short(blob))
        needed = sum(blob.size for (blob, _), known in zip(layers, here, strict=True) if not known)
        if needed > room(self._store.root):
            raise NoRoom
        waiting: list[Future[IO[bytes]] | None] = []
        for (blob, _), known in zip(layers, here, strict=True):
            if not known and len(waiting) - waiting.count(None) >= _AT_ONCE:
                progress.layer("Waiting", _short(blob))
            waiting.append(None if known else start(self._download, blob))
        try:
            for (blob, diff_id), future in zip(layers, waiting, strict=True):
                self._take(incoming, blob, diff_id, future)
        except BaseException:
            progress.stop()  # the other downloads end at their next byte
            raise

    def _download(self, blob: Descriptor) -> IO[bytes]:
        with self._places:
            return self._fetch(blob)

    def _fetch(self, blob: Descriptor) -> IO[bytes]:
        self._progress.check()
        name = _short(blob)
        file = tempfile.TemporaryFile(dir=self._store.root)  # noqa: SIM115  - closed in _take
        try:
            download(self._client, blob, file, self._progress.bar("Downloading", name, blob.size))
        except BaseException:
            file.close()
            raise
        self._progress.layer("Verifying Checksum", name)
        self._progress.layer("Download complete", name)
        return file

    def _take(
        self, incoming: Incoming, blob: Descriptor, diff_id: str, future: Future[IO[bytes]] | None
    ) -> None:
        if future is None:
            if not incoming.have(diff_id):
                raise TransferError("a layer was removed while the image was pulled: try again")
        else:
            with future.result() as file:
                bar = self._progress.bar("Extracting", _short(blob), blob.size)
                incoming.add(Watched(Decompressed(file), file, bar), diff_id)
            self._progress.layer("Pull complete", _short(blob))
        self._store.records.add_blob(diff_id, Blob(self._repository, blob.digest, blob.size))


def _short(blob: Descriptor) -> str:
    return blob.digest.removeprefix("sha256:")[:12]
