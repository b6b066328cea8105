"""What the engine remembers: JSON documents in one SQLite file, durable once `put` has returned."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from dockyard.engine.parameters import Document

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID
"""


class Store:
    """Documents by kind (container, network, volume) and id.

    The write-ahead log makes a write survive the death of the process; not, until the system has flushed it,
    that of the machine.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)

    def put(self, kind: str, identifier: str, document: Document) -> None:
        """Write a document, new or again."""
        text = json.dumps(document, separators=(",", ":"))
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, identifier, text))

    def delete(self, kind: str, identifier: str) -> None:
        """Forget a document; none is no error."""
        self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, identifier))

    def load(self, kind: str) -> list[Document]:
        """Return every document of a kind."""
        rows = self._db.execute("SELECT document FROM documents WHERE kind = ?", (kind,))
        return [json.loads(text) for (text,) in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()
