"""Faults that a lesson or a check injects, with a journal, so that none outlives a killed process."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dockyard.backends import Backend, MakesNodes
from dockyard.errors import UserError
from dockyard.home import Home


@dataclass
class Cut:
    """The interval of a cut in unix seconds; `end` is 0 while it lasts."""

    selector: str
    start: float
    end: float = 0.0


@dataclass(frozen=True)
class Faults:
    """Cuts Pods off, and adds small nodes, through the backend. A file says so until it is undone."""

    backend: Backend
    journal: Path

    @classmethod
    def of(cls, backend: Backend, home: Home) -> Faults:
        return cls(backend, home.root / "faults")

    @contextmanager
    def cut(self, namespace: str, selector: str) -> Iterator[Cut]:
        """Cut off the Pods that match; restored on the way out, whatever happens. Raises UserError."""
        entry = self._note({"namespace": namespace, "selector": selector})
        try:
            self.backend.cut(namespace, selector)
            cut = Cut(selector, time.time())
            yield cut
        finally:
            self.backend.restore(namespace, selector)
            entry.unlink(missing_ok=True)
            if "cut" in locals():
                cut.end = time.time()

    @contextmanager
    def node(self, namespace: str, memory: str) -> Iterator[str]:
        """A node with so much memory of its own, named after the namespace; removed on the way out.

        Yields "" where the backend can't make nodes. Raises UserError.
        """
        if not isinstance(self.backend, MakesNodes):
            yield ""
            return
        entry = self._note({"namespace": namespace, "node": namespace})
        try:
            self.backend.add_node(namespace, memory)
            yield namespace
        finally:
            self.backend.remove_node(namespace)
            entry.unlink(missing_ok=True)

    def _note(self, fault: dict[str, str]) -> Path:
        """Write down what has to be undone, before it is done."""
        entry = self.journal / f"{secrets.token_hex(6)}.json"
        self.journal.mkdir(parents=True, exist_ok=True)
        entry.write_text(json.dumps(fault))
        return entry

    def restore_all(self, namespace: str) -> int:
        """Undo what a killed process left behind in a namespace; how many there were."""
        count = 0
        for entry in sorted(self.journal.glob("*.json")):
            try:
                said = json.loads(entry.read_text())
                if said["namespace"] != namespace:
                    continue
                if "node" not in said:
                    self.backend.restore(namespace, said["selector"])
                elif isinstance(self.backend, MakesNodes):
                    self.backend.remove_node(said["node"])
            except UserError:
                continue  # the platform is down; the entry stays for the next time
            except (OSError, ValueError, KeyError):
                pass  # half written by a process that was killed before it could cut anything
            entry.unlink(missing_ok=True)
            count += 1
        return count
