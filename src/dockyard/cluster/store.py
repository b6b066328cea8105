"""etcd, in one file: every object, one global revision, and watches over it.

Objects are kept as serialised JSON, in memory and in SQLite (WAL). So a read is a parse, which is a copy for
free and several times cheaper than `copy.deepcopy`, a list over HTTP is a join of bytes, and a thousand Pods
cost megabytes and not tens of them. A write is on disk (in the kernel's page cache) before it is seen or
acknowledged: it survives `kill -9` of this process, not a power cut.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Manifest = dict[str, Any]
EventType = Literal["ADDED", "MODIFIED", "DELETED"]
Labels = dict[str, str]

HISTORY_EVENTS = 5000
HISTORY_BYTES = 8 << 20
# Revisions are set aside so many at a time, so that a write is one statement; a crash leaves the rest unused.
RESERVED_REVISIONS = 1000
LARGEST_OBJECT = 3 << 19  # 1.5 MiB, etcd's --max-request-bytes

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_decode = json.JSONDecoder().decode

logger = logging.getLogger(__name__)


class CompactedError(Exception):
    """The history no longer reaches back to the revision asked for."""


class ObjectTooLargeError(Exception):
    """The object is larger than etcd would take."""


class StoreUnavailableError(Exception):
    """The state file cannot be opened or written (full disk, read-only home, held by another process)."""


class Record:
    """One stored version of one object; `body` is its JSON without `kind` and `apiVersion`."""

    __slots__ = ("_shared", "body", "labels", "name", "namespace", "revision")

    def __init__(self, namespace: str, name: str, revision: int, body: bytes, labels: Labels | None) -> None:
        self.namespace = namespace
        self.name = name
        self.revision = revision
        self.body = body
        self.labels = labels
        self._shared: tuple[bytes, Manifest] | None = None

    def load(self) -> Manifest:
        """A fresh copy of the object, still without `kind` and `apiVersion`."""
        return decode(self.body)

    def shared(self, prefix: bytes) -> Manifest:
        """The object, parsed once for all who only read it: never modify it."""
        if self._shared is None or self._shared[0] != prefix:
            self._shared = prefix, decode(prefix + self.body[1:])
        return self._shared[1]

    def forget(self) -> None:
        """Give back the memory of what was parsed; `shared` parses again."""
        self._shared = None


@dataclass(frozen=True)
class Event:
    """One committed change. `object` and `old` are shared by all who see the event: never modify them."""

    type: EventType
    kind: str
    record: Record
    previous: Record | None
    prefix: bytes

    @property
    def revision(self) -> int:
        return self.record.revision

    @property
    def namespace(self) -> str:
        return self.record.namespace

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def body(self) -> bytes:
        """The object's JSON as it goes over the wire, with `kind` and `apiVersion`."""
        return self.prefix + self.record.body[1:]

    @property
    def object(self) -> Manifest:
        """The object after the change; for DELETED its last state, at the revision of the deletion."""
        return self.record.shared(self.prefix)

    @property
    def old(self) -> Manifest | None:
        """The object before the change; None for ADDED."""
        return None if self.previous is None else self.previous.shared(self.prefix)


def decode(body: bytes) -> Manifest:
    """What `dump` made bytes of; quicker than json.loads, which first guesses the encoding."""
    value: Manifest = _decode(body.decode())
    return value


def dump(obj: Manifest) -> bytes:
    """The object as compact UTF-8 JSON."""
    return _encode(obj).encode()


class Store:
    """Every object by kind, namespace and name. Not thread-safe: it belongs to one event loop."""

    def __init__(self, path: Path | None) -> None:
        """Open the state file, creating it when missing; None keeps everything in memory only.

        Raises StoreUnavailableError with the reason.
        """
        self.revision = 0
        self.compacted = 0
        self._objects: dict[str, dict[tuple[str, str], Record]] = {}
        self._history: deque[Event] = deque()
        self._history_bytes = 0
        self._subscribers: dict[int, Callable[[Event], None]] = {}
        self._next_subscriber = 0
        self._undelivered: deque[Event] = deque()
        self._delivering = False
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=1.0)
            self._open()
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"cannot open the state file {path}: {error}") from error

    def _open(self) -> None:
        db = self._db
        # Exclusive: no shared-memory file, so no /dev/shm is needed, and a second process is refused at once.
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA cache_size=-1024")
        db.execute(
            "CREATE TABLE IF NOT EXISTS objects (kind TEXT, namespace TEXT, name TEXT, revision INTEGER,"
            " body BLOB, PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID"
        )
        db.execute(
            "CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 0), value INTEGER)"
        )
        db.execute("INSERT OR IGNORE INTO revision VALUES (0, 1)")
        # No smaller than any revision that was ever given out.
        self.revision = self.compacted = db.execute("SELECT value FROM revision").fetchone()[0]
        self._reserved = self.revision
        for kind, namespace, name, revision, body in db.execute("SELECT * FROM objects"):
            labels = json.loads(body)["metadata"].get("labels")
            self._table(kind)[namespace, name] = Record(namespace, name, revision, body, labels)

    def close(self) -> None:
        """Fold the log into the state file and let go of it."""
        try:
            self._db.execute("UPDATE revision SET value = ?", (self.revision,))
        except sqlite3.Error as error:
            logger.info("the revisions that were set aside stay unused: %s", error)
        self._db.close()

    def _table(self, kind: str) -> dict[tuple[str, str], Record]:
        return self._objects.setdefault(kind, {})

    # Reading

    def get(self, kind: str, namespace: str, name: str) -> Record | None:
        return self._table(kind).get((namespace, name))

    def scan(self, kind: str, namespace: str | None = None) -> Iterator[Record]:
        """The records of a kind in no special order; do not write while iterating."""
        for key, record in self._table(kind).items():
            if namespace is None or key[0] == namespace:
                yield record

    def snapshot(self, kind: str, revision: int) -> list[Record]:
        """The records of a kind as they were at a revision.

        Raises CompactedError when that is too long ago.
        """
        records = dict(self._table(kind))
        for event in reversed(self.since(revision)):
            if event.kind != kind:
                continue
            key = (event.namespace, event.name)
            if event.previous is None:
                records.pop(key, None)
            else:
                records[key] = event.previous
        return list(records.values())

    # Writing

    def put(self, kind: str, obj: Manifest, prefix: bytes) -> Record:
        """Store the object under a new revision, which is also set in it; then tell the subscribers.

        Raises ObjectTooLargeError, StoreUnavailableError.
        """
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        previous = self.get(kind, namespace, name)
        revision = self.revision + 1
        metadata["resourceVersion"] = str(revision)
        bare = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        record = Record(namespace, name, revision, dump(bare), metadata.get("labels"))
        if len(record.body) > LARGEST_OBJECT:
            raise ObjectTooLargeError
        self._commit(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)",
            (kind, namespace, name, revision, record.body),
        )
        self._table(kind)[namespace, name] = record
        self._publish(Event("MODIFIED" if previous else "ADDED", kind, record, previous, prefix))
        return record

    def remove(self, kind: str, namespace: str, name: str, prefix: bytes) -> Record:
        """Remove the object; returns its last state at the revision of its deletion. KeyError if absent."""
        previous = self._table(kind)[namespace, name]
        revision = self.revision + 1
        last = previous.load()
        last["metadata"]["resourceVersion"] = str(revision)
        record = Record(namespace, name, revision, dump(last), previous.labels)
        self._commit("DELETE FROM objects WHERE kind=? AND namespace=? AND name=?", (kind, namespace, name))
        del self._table(kind)[namespace, name]
        self._publish(Event("DELETED", kind, record, previous, prefix))
        return record

    def _commit(self, statement: str, values: tuple[str | int | bytes, ...]) -> None:
        try:
            if self.revision >= self._reserved:
                reserved = self.revision + RESERVED_REVISIONS
                self._db.execute("UPDATE revision SET value = ?", (reserved,))
                self._reserved = reserved
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"cannot write the state file: {error}") from error
        self.revision += 1

    # Watching

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back after each committed write, in order of revisions; returns what ends it.

        A write made inside a callback is committed at once and delivered after the present event.
        """
        number = self._next_subscriber
        self._next_subscriber += 1
        self._subscribers[number] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(number, None)

        return unsubscribe

    def since(self, revision: int) -> list[Event]:
        """The events after a revision, oldest first. Raises CompactedError when some are no longer known."""
        if revision < self.compacted:
            raise CompactedError
        found: list[Event] = []
        for event in reversed(self._history):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found

    def compact(self) -> None:
        """Forget the history: a watch from an older revision is told so. Used by tests and on low memory."""
        self._history.clear()
        self._history_bytes = 0
        self.compacted = self.revision

    def _publish(self, event: Event) -> None:
        self._history.append(event)
        self._history_bytes += len(event.record.body)
        while len(self._history) > HISTORY_EVENTS or self._history_bytes > HISTORY_BYTES:
            oldest = self._history.popleft()
            self._history_bytes -= len(oldest.record.body)
            self.compacted = oldest.revision
        self._undelivered.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._undelivered:
                delivered = self._undelivered.popleft()
                self._deliver(delivered)
                # The history keeps these for a while, as bytes only.
                if delivered.previous is not None:
                    delivered.previous.forget()
                if delivered.type == "DELETED":
                    delivered.record.forget()
        finally:
            self._delivering = False

    def _deliver(self, event: Event) -> None:
        for callback in list(self._subscribers.values()):
            try:
                callback(event)
            except Exception:  # a subscriber's bug must not undo or hide a committed write
                logger.exception("%s/%s: a subscriber failed", event.kind, event.name)
