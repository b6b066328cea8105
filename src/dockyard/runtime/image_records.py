"""What the image store knows, in SQLite: the only writer of these tables."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dockyard.runtime.image import Image, ImageNotFound

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (id TEXT PRIMARY KEY, config TEXT NOT NULL, parent TEXT NOT NULL,
                                   created REAL NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tags (reference TEXT PRIMARY KEY, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tagged (image TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS stand_ins (fingerprint TEXT PRIMARY KEY, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS build_cache (key TEXT PRIMARY KEY, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, layers TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (layer TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL,
                                  size INTEGER NOT NULL, PRIMARY KEY (layer, repository));
"""


class Blob(NamedTuple):
    """How a layer travels: `digest` and `size` of the compressed archive, where a registry has it."""

    repository: str
    digest: str
    size: int


class Records:
    """Names, images, cache, holds. Thread-safe; `lock` makes several calls one."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self.lock:
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside, or none."""
        with self.lock:
            self._db.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _one(self, query: str, *values: object) -> str | None:
        with self.lock:
            row = self._db.execute(query, values).fetchone()
        return None if row is None else str(row[0])

    def _all(self, query: str, *values: object) -> list[str]:
        with self.lock:
            return [row[0] for row in self._db.execute(query, values)]

    def _do(self, query: str, *values: object) -> int:
        with self.lock:
            return self._db.execute(query, values).rowcount

    # --- images ---

    def image(self, identifier: str) -> Image:
        """By its whole id. Raises ImageNotFound."""
        with self.lock:
            row = self._db.execute(
                "SELECT id, config, parent, created, size FROM images WHERE id = ?", (identifier,)
            ).fetchone()
            if row is None:
                raise ImageNotFound(identifier)
            names = self.names(identifier)
            tagged = self._one("SELECT at FROM tagged WHERE image = ?", identifier)
        config = json.loads(row[1])
        return Image(
            id=row[0],
            config=config,
            layers=tuple(config["rootfs"]["diff_ids"]),
            repo_tags=tuple(name for name in names if "@" not in name),
            size=row[4],
            created=row[3],
            parent=row[2],
            repo_digests=tuple(name for name in names if "@" in name),
            tagged=None if tagged is None else float(tagged),
        )

    def document(self, identifier: str) -> bytes:
        """The configuration, byte for byte as the id was computed from. Raises ImageNotFound."""
        text = self._one("SELECT config FROM images WHERE id = ?", identifier)
        if text is None:
            raise ImageNotFound(identifier)
        return text.encode()

    def add(self, identifier: str, text: str, *, parent: str, created: float, size: int) -> None:
        self._do(
            "INSERT INTO images VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET created = excluded.created",
            *(identifier, text, parent, created, size),
        )

    def delete(self, identifier: str) -> None:
        with self.lock:
            self._do("DELETE FROM images WHERE id = ?", identifier)
            self._do("DELETE FROM tagged WHERE image = ?", identifier)

    def ids(self) -> list[str]:
        """Newest first."""
        return self._all("SELECT id FROM images ORDER BY created DESC, id")

    def starting_with(self, prefix: str) -> list[str]:
        """At most two ids that begin so."""
        return self._all("SELECT id FROM images WHERE id GLOB ? LIMIT 2", prefix + "*")

    def parents(self) -> set[str]:
        return set(self._all("SELECT DISTINCT parent FROM images"))

    def has_children(self, identifier: str) -> bool:
        return self._one("SELECT 1 FROM images WHERE parent = ? LIMIT 1", identifier) is not None

    def layer_lists(self) -> list[list[str]]:
        """The layers of each image, lowest first."""
        return [json.loads(text)["rootfs"]["diff_ids"] for text in self._all("SELECT config FROM images")]

    # --- names ---

    def named(self, reference: str) -> str | None:
        """The id that a familiar reference names."""
        return self._one("SELECT image FROM tags WHERE reference = ?", reference)

    def names(self, identifier: str) -> list[str]:
        return self._all("SELECT reference FROM tags WHERE image = ? ORDER BY reference", identifier)

    def names_in(self, repository: str) -> list[str]:
        """The tags of a repository, in their familiar form."""
        found = self._all(
            "SELECT reference FROM tags WHERE reference GLOB ? ORDER BY reference", repository + ":*"
        )
        return [name for name in found if "@" not in name and name.rpartition(":")[0] == repository]

    def name(self, reference: str, identifier: str, at: float | None = None) -> None:
        with self.lock:
            self._do("INSERT OR REPLACE INTO tags VALUES (?, ?)", reference, identifier)
            if at is not None:
                self._do("INSERT OR REPLACE INTO tagged VALUES (?, ?)", identifier, at)

    def unname(self, reference: str) -> bool:
        return self._do("DELETE FROM tags WHERE reference = ?", reference) > 0

    # --- stand-ins and the cache of builds ---

    def stand_in(self, fingerprint: str) -> str | None:
        """The image made for it, if it is still there."""
        return self._one(
            "SELECT s.image FROM stand_ins s JOIN images i ON i.id = s.image WHERE s.fingerprint = ?",
            fingerprint,
        )

    def is_stand_in(self, identifier: str) -> bool:
        return self._one("SELECT 1 FROM stand_ins WHERE image = ?", identifier) is not None

    def remember_stand_in(self, fingerprint: str, identifier: str) -> None:
        self._do("INSERT OR REPLACE INTO stand_ins VALUES (?, ?)", fingerprint, identifier)

    def remember(self, key: str, identifier: str) -> None:
        self._do("INSERT OR REPLACE INTO build_cache VALUES (?, ?)", key, identifier)

    def recall(self, key: str) -> str | None:
        return self._one("SELECT image FROM build_cache WHERE key = ?", key)

    # --- holds of containers ---

    def hold(self, snapshot: str, layers: Sequence[str]) -> None:
        self._do("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", snapshot, json.dumps(layers))

    def release(self, snapshot: str) -> None:
        self._do("DELETE FROM snapshots WHERE id = ?", snapshot)

    def held(self, snapshot: str) -> list[str] | None:
        text = self._one("SELECT layers FROM snapshots WHERE id = ?", snapshot)
        return None if text is None else list(json.loads(text))

    def all_held(self) -> list[list[str]]:
        return [json.loads(text) for text in self._all("SELECT layers FROM snapshots")]

    # --- registries ---

    def blobs(self, layer: str) -> list[Blob]:
        """Where a layer is known to be, and as what."""
        with self.lock:
            rows = self._db.execute("SELECT repository, digest, size FROM blobs WHERE layer = ?", (layer,))
            return [Blob(*row) for row in rows]

    def add_blob(self, layer: str, blob: Blob) -> None:
        self._do("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)", layer, *blob)

    def layer_of_blob(self, digest: str) -> str | None:
        """The layer that came as this blob once; it may be gone since."""
        return self._one("SELECT layer FROM blobs WHERE digest = ? LIMIT 1", digest)

    def forget_blobs(self, layer: str) -> None:
        self._do("DELETE FROM blobs WHERE layer = ?", layer)
