"""The image store: what images there are, what they are called, and which layers nothing needs any more."""

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.runtime import catalog
from dockyard.runtime.layers import Layer, Layers
from dockyard.runtime.references import familiar, is_id
from dockyard.wire.clock import Clock

# What `created` says inside every image that is made here. The moment of a build is kept beside the image, or
# no build could ever give the same image twice.
EPOCH = "1970-01-01T00:00:00Z"

ImageConfig = dict[str, Any]
Progress = Callable[[str], None]
Rows = list[dict[str, Any]]  # named here, because inside the class `list` is a method
Report = list[dict[str, str]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (id TEXT PRIMARY KEY, config TEXT NOT NULL, parent TEXT NOT NULL,
                                   created REAL NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tags (reference TEXT PRIMARY KEY, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stand_ins (fingerprint TEXT PRIMARY KEY, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS build_cache (key TEXT PRIMARY KEY, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, layers TEXT NOT NULL);
"""


class ImageNotFound(KeyError):
    """No such image, and no stand-in for it either. `str()` is the real engine's message."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference

    def __str__(self) -> str:
        return f"No such image: {self.reference}"


class ImageInUse(ValueError):
    """The image can't be removed as asked. The message is the real engine's."""


@dataclass(frozen=True)
class Image:
    """`config` is the OCI image configuration (https://github.com/opencontainers/image-spec, config.md)."""

    id: str
    config: ImageConfig
    layers: tuple[str, ...]  # diff ids, lowest first
    repo_tags: tuple[str, ...]
    size: int  # bytes in the files of all layers
    created: float  # unix seconds of the last time it was made
    parent: str = ""  # the image of the step before, when it was built here


class ImageStore:
    """Images under one directory; every acknowledged change survives a kill -9.

    Thread-safe: long operations (`resolve` of a stand-in, `add_layer`) may run in threads.
    """

    def __init__(self, root: Path, *, clock: Clock) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._clock = clock
        self.layers = Layers(root / "layers")
        self._lock = threading.RLock()
        # Layers whose image is still being made, and how often: equal input gives two builds the same layer.
        self._fresh: Counter[str] = Counter()
        self._making = threading.Lock()
        self._db = sqlite3.connect(root / "images.sqlite", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._sweep()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # --- looking ---

    def get(self, reference: str) -> Image:
        """By name, name with tag, id, or a prefix of an id. Raises ImageNotFound, InvalidReference."""
        with self._lock:
            row = self._db.execute(
                "SELECT image FROM tags WHERE reference = ?", (self._name(reference),)
            ).fetchone()
            if row is None and is_id(reference):
                prefix = "sha256:" + reference.removeprefix("sha256:")
                rows = self._db.execute(
                    "SELECT id FROM images WHERE id GLOB ? LIMIT 2", (prefix + "*",)
                ).fetchall()
                row = rows[0] if len(rows) == 1 else None
            if row is None:
                raise ImageNotFound(reference)
            return self._load(row[0])

    @staticmethod
    def _name(reference: str) -> str:
        return "" if reference.startswith("sha256:") else familiar(reference)

    def find(self, reference: str) -> Image | None:
        """As `get`, with None for an unknown one."""
        try:
            return self.get(reference)
        except ImageNotFound:
            return None

    def list(self, *, all: bool = False) -> Sequence[Image]:
        """Newest first. Without `all`, no intermediate steps of builds (untagged images with children)."""
        with self._lock:
            rows = self._db.execute("SELECT id FROM images ORDER BY created DESC, id").fetchall()
            parents = {row[0] for row in self._db.execute("SELECT DISTINCT parent FROM images")}
            images = [self._load(row[0]) for row in rows]
        return [image for image in images if all or image.repo_tags or image.id not in parents]

    def history(self, reference: str) -> Rows:
        """As `GET /images/{name}/history` answers: newest step first."""
        image: Image | None = self.get(reference)
        assert image is not None
        sizes = iter([self.layers.get(layer).size for layer in reversed(image.layers)])
        steps = []
        created = int(image.created)
        for step in reversed(image.config.get("history", [])):
            steps.append(
                {
                    "Comment": step.get("comment", ""),
                    "Created": created,
                    "CreatedBy": step.get("created_by", ""),
                    "Id": image.id if image else "<missing>",
                    "Size": 0 if step.get("empty_layer") else next(sizes, 0),
                    "Tags": list(image.repo_tags) or None if image else None,
                }
            )
            image = self.find(image.parent) if image and image.parent else None
            created = int(image.created) if image else created
        return steps

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
            announce=self._spare,
        )

    def _spare(self, digest: str) -> None:
        """Keep a layer that no image has yet from being swept away, also when a removed image had it."""
        with self._lock:
            self._fresh[digest] += 1

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
        if stand_in is None or (image is not None and not self._is_stand_in(image)):
            if image is None:
                raise ImageNotFound(reference)
            return image
        with self._making:
            return self._make(name, stand_in, progress or (lambda _: None))

    def _is_stand_in(self, image: Image) -> bool:
        with self._lock:
            row = self._db.execute("SELECT 1 FROM stand_ins WHERE image = ?", (image.id,)).fetchone()
        return row is not None

    def _make(self, name: str, stand_in: "catalog.StandIn", progress: Progress) -> Image:
        fingerprint = stand_in.fingerprint()
        with self._lock:
            row = self._db.execute(
                "SELECT s.image FROM stand_ins s JOIN images i ON i.id = s.image WHERE s.fingerprint = ?",
                (fingerprint,),
            ).fetchone()
            if row is not None:
                if name not in self._load(row[0]).repo_tags:
                    self.tag(row[0], name)
                return self._load(row[0])
        below = self._make_base(stand_in, progress)
        progress(f"{name}: {stand_in.description()}")
        tree = self.layers.new_tree()
        tree.mkdir()
        config = stand_in.fill(tree, tuple(self.layer_paths(below)) if below else ())
        layer = self.add_layer(tree)
        labels = {**(config.get("Labels") or {}), **stand_in.labels()}
        image = self.commit(
            below,
            layer,
            {**config, "Labels": labels},
            created_by=f"dockyard stand-in: {stand_in.description()}",
        )
        self.tag(image.id, name)
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO stand_ins VALUES (?, ?)", (fingerprint, image.id))
        return self.get(name)

    def _make_base(self, stand_in: "catalog.StandIn", progress: Progress) -> Image | None:
        if stand_in.base is None:
            return None
        base = catalog.find(familiar(stand_in.base))
        assert base is not None
        return self._make(familiar(stand_in.base), base, progress)

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
            "history": [*below.get("history", []), step],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": layers},
        }
        if author or below.get("author"):
            document["author"] = author or below["author"]
        size = (base.size if base else 0) + (layer.size if layer else 0)
        with self._lock:
            image = self.put(document, size=size, parent=base.id if base else "")
            if layer is not None:
                self._fresh[layer.digest] -= 1
            return image

    def put(self, document: ImageConfig, *, size: int, parent: str = "") -> Image:
        """Store an image whose layers are all there already."""
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        identifier = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        with self._lock:
            self._db.execute(
                "INSERT INTO images VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET created = excluded.created",
                (identifier, text, parent, self._clock.now(), size),
            )
            return self._load(identifier)

    def tag(self, image_id: str, reference: str) -> str:
        """Name an image; returns the familiar form. Raises InvalidReference, ImageNotFound."""
        name = familiar(reference)
        with self._lock:
            self._load(image_id)
            self._db.execute("INSERT OR REPLACE INTO tags VALUES (?, ?)", (name, image_id))
        return name

    def remember(self, key: str, image_id: str) -> None:
        """The build step `key` gave this image."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO build_cache VALUES (?, ?)", (key, image_id))

    def recall(self, key: str) -> Image | None:
        """What the build step `key` gave the last time, if it is still there."""
        with self._lock:
            row = self._db.execute("SELECT image FROM build_cache WHERE key = ?", (key,)).fetchone()
            return None if row is None else self.find(row[0])

    def layer_paths(self, image: Image) -> Sequence[Path]:
        """The directories of the image's layers, lowest first."""
        return [self.layers.path(digest) for digest in image.layers]

    # --- removing ---

    def untag(self, reference: str) -> bool:
        with self._lock:
            done = self._db.execute("DELETE FROM tags WHERE reference = ?", (familiar(reference),))
            return done.rowcount > 0

    def remove(self, reference: str, *, force: bool = False, prune: bool = True) -> Report:
        """As `DELETE /images/{name}` answers: `[{"Untagged": name}, {"Deleted": id}, ...]`.

        With `prune`, untagged parents that nothing else needs go too. Raises ImageNotFound, ImageInUse.
        Whether a container uses the image is for the engine to know.
        """
        with self._lock, self._transaction():
            image = self.get(reference)
            by_id = is_id(reference) and not (image.repo_tags and self._name(reference) in image.repo_tags)
            if by_id and len(image.repo_tags) > 1 and not force:
                raise ImageInUse(
                    f"conflict: unable to delete {image.id.removeprefix('sha256:')[:12]} (must be forced) - "
                    "image is referenced in multiple repositories"
                )
            gone = list(image.repo_tags) if by_id else [self._name(reference)]
            report = [{"Untagged": name} for name in gone]
            for name in gone:
                self._db.execute("DELETE FROM tags WHERE reference = ?", (name,))
            if set(gone) == set(image.repo_tags):
                report += self._delete(image.id, prune=prune, force=by_id)
        self._sweep()
        return report

    def _delete(self, image_id: str, *, prune: bool, force: bool) -> Report:
        report: Report = []
        while image_id:
            image = self._load(image_id)
            children = self._db.execute(
                "SELECT 1 FROM images WHERE parent = ? LIMIT 1", (image_id,)
            ).fetchone()
            if children:
                if force and not report:
                    raise ImageInUse(
                        f"conflict: unable to delete {image_id.removeprefix('sha256:')[:12]} "
                        "(cannot be forced) - image has dependent child images"
                    )
                break
            if image.repo_tags:
                break
            self._db.execute("DELETE FROM images WHERE id = ?", (image_id,))
            report.append({"Deleted": image_id})
            image_id = image.parent if prune else ""
        return report

    # --- inside ---

    def _load(self, identifier: str) -> Image:
        row = self._db.execute(
            "SELECT id, config, parent, created, size FROM images WHERE id = ?", (identifier,)
        ).fetchone()
        if row is None:
            raise ImageNotFound(identifier)
        tags = self._db.execute(
            "SELECT reference FROM tags WHERE image = ? ORDER BY reference", (identifier,)
        )
        config = json.loads(row[1])
        return Image(
            id=row[0],
            config=config,
            layers=tuple(config["rootfs"]["diff_ids"]),
            repo_tags=tuple(tag[0] for tag in tags),
            size=row[4],
            created=row[3],
            parent=row[2],
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def hold(self, snapshot: str, layers: Sequence[str]) -> None:
        """A container's root file system needs these layers, even when its image goes."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (snapshot, json.dumps(layers)))

    def release(self, snapshot: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot,))

    def held(self, snapshot: str) -> Sequence[str] | None:
        """The layers that a snapshot holds, lowest first."""
        with self._lock:
            row = self._db.execute("SELECT layers FROM snapshots WHERE id = ?", (snapshot,)).fetchone()
        return None if row is None else tuple(json.loads(row[0]))

    def _sweep(self) -> None:
        """Remove the layers that neither an image nor a container needs."""
        with self._lock:
            self._fresh = +self._fresh  # without the layers whose images are all made
            needed = set(self._fresh)
            for (config,) in self._db.execute("SELECT config FROM images"):
                needed.update(json.loads(config)["rootfs"]["diff_ids"])
            for (layers,) in self._db.execute("SELECT layers FROM snapshots"):
                needed.update(json.loads(layers))
            names = {self.layers.path(digest).parent.name for digest in needed}
            for name in self.layers.names() - names:
                self.layers.discard("sha256:" + name)
