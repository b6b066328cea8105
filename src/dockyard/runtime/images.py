"""The image store: what images there are, what they are called, how they are made and removed."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dockyard.runtime import catalog
from dockyard.runtime.image import EPOCH, Image, ImageConfig, ImageInUse, ImageNotFound
from dockyard.runtime.image_history import history
from dockyard.runtime.image_records import Records
from dockyard.runtime.image_removal import Removal, Remover, User, Users, nobody
from dockyard.runtime.incoming import Incoming
from dockyard.runtime.layer_keeping import LayerKeeping
from dockyard.runtime.layers import Layer, Layers
from dockyard.runtime.references import familiar, is_id
from dockyard.runtime.stand_in_maker import Progress, StandInMaker
from dockyard.wire.clock import Clock

__all__ = ["EPOCH", "Image", "ImageConfig", "ImageInUse", "ImageNotFound", "ImageStore", "User"]

Rows = list[dict[str, Any]]  # named here, because inside the class `list` is a method


class ImageStore:
    """Images under one directory; every acknowledged change survives a kill -9.

    Thread-safe: long operations (`resolve` of a stand-in, `add_layer`, `incoming`) may run in threads.
    """

    def __init__(self, root: Path, *, clock: Clock) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._clock = clock
        self.layers = Layers(root / "layers")
        self.records = Records(root / "images.sqlite")
        self._keeping = LayerKeeping(self.records, self.layers)
        self._stand_ins = StandInMaker(self)
        self._keeping.sweep()

    def close(self) -> None:
        self.records.close()

    # --- looking ---

    def get(self, reference: str) -> Image:
        """By name, with tag or digest, id, or beginning of an id. Raises ImageNotFound, InvalidReference."""
        name = "" if reference.startswith("sha256:") else familiar(reference)
        with self.records.lock:
            found = self.records.named(name)
            if found is None and is_id(reference):
                fitting = self.records.starting_with("sha256:" + reference.removeprefix("sha256:"))
                found = fitting[0] if len(fitting) == 1 else None
            if found is None:
                raise ImageNotFound(reference)
            return self.records.image(found)

    def find(self, reference: str) -> Image | None:
        """As `get`, with None for an unknown one."""
        try:
            return self.get(reference)
        except ImageNotFound:
            return None

    def list(self, *, all: bool = False) -> Sequence[Image]:
        """Newest first. Without `all`, no intermediate steps of builds (nameless images with children)."""
        with self.records.lock:
            parents = self.records.parents()
            images = [self.records.image(identifier) for identifier in self.records.ids()]
        return [
            image
            for image in images
            if all or image.repo_tags or image.repo_digests or image.id not in parents
        ]

    def history(self, reference: str) -> Rows:
        """As `GET /images/{name}/history` answers: newest step first."""
        image = self.get(reference)
        return history(image, [self.layers.get(layer).size for layer in image.layers], self.find)

    def document(self, image: Image) -> bytes:
        """The configuration byte for byte as the image's id was computed from."""
        return self.records.document(image.id)

    def layer_paths(self, image: Image) -> Sequence[Path]:
        """The directories of the image's layers, lowest first."""
        return [self.layers.path(digest) for digest in image.layers]

    # --- making ---

    def add_layer(
        self,
        tree: Path,
        *,
        keep_mtime: bool = False,
        keep_bytecode: bool = False,
        owners: dict[str, tuple[int, int]] | None = None,
        skip: Iterable[str] = (),
    ) -> Layer:
        """Take over a directory made by `layers.new_tree` as a layer, to be used in a `commit` soon."""
        return self.layers.add(
            tree,
            keep_mtime=keep_mtime,
            keep_bytecode=keep_bytecode,
            owners=owners,
            skip=skip,
            announce=self._keeping.spare,
        )

    def incoming(self) -> Incoming:
        """Begin to take in an image from elsewhere."""
        return Incoming(self.records, self.layers, self._keeping, self._clock)

    def resolve(self, reference: str, progress: Progress | None = None) -> Image:
        """The image, made from this machine's own programs when it is in the catalog and not there yet.

        Takes seconds the first time: call it in a thread. Raises ImageNotFound, InvalidReference,
        catalog.Unavailable (the catalog knows it, but this machine lacks what it is made of).
        """
        image = self.find(reference)
        if is_id(reference) and image is not None:
            return image
        name = familiar(reference)
        stand_in = catalog.find(name)
        if stand_in is None or (image is not None and not self.records.is_stand_in(image.id)):
            if image is None:
                raise ImageNotFound(reference)
            return image
        return self._stand_ins.make(name, stand_in, progress or (lambda _: None))

    def commit(
        self,
        base: Image | None,
        layer: Layer | None,
        config: ImageConfig,
        *,
        created_by: str,
        author: str = "",
        comment: str = "",
        architecture: str | None = None,
    ) -> Image:
        """A new image: `base`, one more layer (or only another configuration), one more line of history.

        `config` is the `config` object of the image configuration. Equal input gives an equal id.
        """
        below = base.config if base else {}
        step: dict[str, Any] = {"created": EPOCH, "created_by": created_by}
        if author:
            step["author"] = author
        if comment:
            step["comment"] = comment
        if layer is None:
            step["empty_layer"] = True
        layers = [*(base.layers if base else ()), *([layer.digest] if layer else ())]
        document = {
            "architecture": architecture or below.get("architecture") or catalog.architecture(),
            "config": config,
            "created": EPOCH,
            "history": [*(below.get("history") or ()), step],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": layers},
        }
        if comment:
            document["comment"] = comment
        if author or below.get("author"):
            document["author"] = author or below["author"]
        size = (base.size if base else 0) + (layer.size if layer else 0)
        with self.records.lock:
            image = self.put(document, size=size, parent=base.id if base else "")
            if layer is not None:
                self._keeping.settle(layer.digest)
            return image

    def put(self, document: ImageConfig, *, size: int, parent: str = "") -> Image:
        """Store an image whose layers are all there already."""
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        identifier = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        with self.records.lock:
            self.records.add(identifier, text, parent=parent, created=self._clock.now(), size=size)
            return self.records.image(identifier)

    def tag(self, image_id: str, reference: str) -> str:
        """Name an image; returns the familiar form. Raises InvalidReference, ImageNotFound."""
        name = familiar(reference)
        with self.records.lock:
            self.records.image(image_id)
            self.records.name(name, image_id, None if "@" in name else self._clock.now())
        return name

    def remember(self, key: str, image_id: str) -> None:
        """The build step `key` gave this image."""
        self.records.remember(key, image_id)

    def recall(self, key: str) -> Image | None:
        """What the build step `key` gave the last time, if it is still there."""
        found = self.records.recall(key)
        return None if found is None else self.find(found)

    # --- removing ---

    def untag(self, reference: str) -> bool:
        return self.records.unname(familiar(reference))

    def remove(
        self, reference: str, *, force: bool = False, prune: bool = True, users: Users = nobody
    ) -> Removal:
        """As `DELETE /images/{name}` does. With `prune`, nameless parents that nothing else needs go too.

        `users` tells which containers were made of an image. Raises ImageNotFound, ImageInUse.
        """
        with self.records.transaction():
            image = self.get(reference)
            remover = Remover(self.records, users, self.records.all_held())
            removal = remover.remove(image, reference, force=force, prune=prune)
        self._keeping.sweep()
        return removal

    def hold(self, snapshot: str, layers: Sequence[str]) -> None:
        """A container's root file system needs these layers, even when its image goes."""
        self.records.hold(snapshot, layers)

    def release(self, snapshot: str) -> None:
        self.records.release(snapshot)

    def held(self, snapshot: str) -> Sequence[str] | None:
        """The layers that a snapshot holds, lowest first."""
        return self.records.held(snapshot)
