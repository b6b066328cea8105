"""An image on its way into the store: seen when all of it is there, and gone without a trace otherwise."""

import hashlib
import json
from types import TracebackType

from dockyard.runtime.decompress import Source
from dockyard.runtime.image import Image, ImageConfig
from dockyard.runtime.image_history import moment_of
from dockyard.runtime.image_records import Records
from dockyard.runtime.layer_keeping import LayerKeeping
from dockyard.runtime.layers import Layer, Layers
from dockyard.wire.clock import Clock

MAX_CONFIG = 4 << 20  # bytes; registries refuse larger ones
MAX_LAYERS = 127  # what an overlay can join is about as much, and what upstream allows


class BadImage(ValueError):
    """What came is no image that can be run."""


class Incoming:
    """Use as a context: layers lowest first, then `finish`."""

    def __init__(self, records: Records, layers: Layers, keeping: LayerKeeping, clock: Clock) -> None:
        self._records = records
        self._store = layers
        self._keeping = keeping
        self._clock = clock
        self._spared: list[str] = []
        self._layers: list[Layer] = []

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for digest in self._spared:
            self._keeping.settle(digest)
        if error is not None:
            self._keeping.sweep()

    def have(self, digest: str) -> bool:
        """Take the next layer from the store, if it is there."""
        self._spare(digest)
        try:
            self._store.cover(digest, [layer.tree for layer in self._layers])
            self._layers.append(self._store.get(digest))
        except KeyError:
            return False
        return True

    def add(self, archive: Source, expected: str | None = None) -> Layer:
        """Unpack the next layer, an uncompressed archive. Raises LayerError; BadImage for a wrong diff id."""
        below = [layer.tree for layer in self._layers]
        layer = self._store.add_archive(archive, below, expected=expected, announce=self._spare)
        self._layers.append(layer)
        return layer

    def _spare(self, digest: str) -> None:
        self._keeping.spare(digest)
        self._spared.append(digest)

    def finish(self, document: bytes) -> Image:
        """The image of this configuration and the layers that came. Raises BadImage."""
        config = read_config(document, [layer.digest for layer in self._layers])
        identifier = "sha256:" + hashlib.sha256(document).hexdigest()
        size = sum(layer.size for layer in self._layers)
        with self._records.lock:
            known = self._records.starting_with(identifier)
            if not known:
                created = moment_of(config.get("created")) or self._clock.now()
                self._records.add(identifier, document.decode(), parent="", created=created, size=size)
            return self._records.image(identifier)


def read_config(document: bytes, layers: list[str] | None = None) -> ImageConfig:
    """The configuration of an image, if it is one that can be used here; `layers` as they came.

    Raises BadImage.
    """
    try:
        config = json.loads(document.decode())
    except ValueError as error:
        raise BadImage(f"invalid image configuration: {error}") from None
    if not isinstance(config, dict):
        raise BadImage("invalid image configuration: no JSON object")
    rootfs = config.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(listed, list) or not all(is_digest(digest) for digest in listed):
        raise BadImage("invalid image configuration: it has no list of layers")
    if len(listed) > MAX_LAYERS:
        raise BadImage("max depth exceeded")
    for name, kind in (("config", dict), ("history", list)):
        if not isinstance(config.get(name) or kind(), kind):
            raise BadImage(f"invalid image configuration: {name} is of the wrong kind")
    if not all(isinstance(step, dict) for step in config.get("history") or ()):
        raise BadImage("invalid image configuration: history is of the wrong kind")
    if config.get("os") not in (None, "", "linux"):
        raise BadImage(f"cannot load {config['os']} image on linux")
    if layers is not None and layers != listed:
        raise BadImage("layers from manifest don't match image configuration")
    return config


def is_digest(text: object) -> bool:
    """Whether it is a sha256 as the store knows them."""
    return (
        isinstance(text, str)
        and text.startswith("sha256:")
        and len(text) == 71
        and all(digit in "0123456789abcdef" for digit in text[7:])
    )
