"""What the learner has done so far, in one file that survives restarts, copies and two writers at once."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.errors import explain
from dockyard.exercises.verdict import Verdict
from dockyard.home import Home

EMPTY: dict[str, Any] = {"version": 1, "exercises": {}, "predictions": {}, "quiz": {}}


@dataclass(frozen=True)
class Progress:
    """`progress.json` in a folder: $DOCKYARD_PROGRESS, or the home's. Times are unix seconds."""

    folder: Path

    @classmethod
    def find(cls, home: Home | None = None) -> Progress:
        named = os.environ.get("DOCKYARD_PROGRESS")
        return cls(Path(named).absolute() if named else (home or Home.find()).progress)

    @property
    def file(self) -> Path:
        return self.folder / "progress.json"

    def read(self) -> dict[str, Any]:
        """Everything; a file that can't be read counts as empty (and `change` sets it aside)."""
        found = self._load()
        return found if found is not None else copy.deepcopy(EMPTY)

    def _load(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self.file.read_text())
        except FileNotFoundError:
            return copy.deepcopy(EMPTY)
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or not all(
            isinstance(found.get(k), dict) for k in EMPTY if k != "version"
        ):
            return None
        return found

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Read, let the block change it, write it whole; one writer at a time. Raises UserError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                state = self._load()
                if state is None:
                    # Never thrown away: somebody may be able to mend it.
                    self.file.replace(self.file.with_name(f"progress.damaged-{time.time():.0f}.json"))
                    state = copy.deepcopy(EMPTY)
                yield state
                unfinished = self.folder / ".progress.json.new"
                with unfinished.open("w") as out:
                    json.dump(state, out, indent=1, sort_keys=True)
                    out.flush()
                    os.fsync(out.fileno())
                unfinished.replace(self.file)
        except OSError as error:
            raise explain(error, f"cannot keep progress in {self.folder}") from error

    def exercise(self, id: str) -> dict[str, Any]:
        """attempts, passed_at, hints, solution (opened at) and last (headline) of one exercise."""
        found: dict[str, Any] = self.read()["exercises"].get(id, {})
        return {"attempts": 0, "passed_at": None, "hints": 0, "solution": None, "last": "", **found}

    def attempted(self, verdict: Verdict) -> None:
        """Count a judged attempt; one that could not be judged isn't counted against anybody."""
        with self.change() as state:
            entry = state["exercises"].setdefault(verdict.exercise, {})
            entry["last"] = verdict.headline()
            if verdict.passed is not None:
                entry["attempts"] = entry.get("attempts", 0) + 1
            if verdict.passed and not entry.get("passed_at"):
                entry["passed_at"] = time.time()

    def hinted(self, id: str, level: int) -> None:
        with self.change() as state:
            entry = state["exercises"].setdefault(id, {})
            entry["hints"] = max(entry.get("hints", 0), level)

    def opened_solution(self, id: str) -> None:
        with self.change() as state:
            state["exercises"].setdefault(id, {}).setdefault("solution", time.time())

    def predict(self, name: str, question: str, guess: Any) -> dict[str, Any]:
        """Store a prediction. It may be changed until it has been measured; what stands is returned."""
        with self.change() as state:
            entry: dict[str, Any] = state["predictions"].setdefault(name, {})
            if "measured" not in entry:
                entry.update(question=question, guess=guess, at=time.time())
            return dict(entry)

    def measure(self, name: str, value: Any) -> dict[str, Any]:
        """Store what was measured. A prediction that was committed to is locked from now on."""
        with self.change() as state:
            entry: dict[str, Any] = state["predictions"].setdefault(name, {})
            result = {**entry, "measured": value}
            if "guess" in entry:
                entry["measured"] = value
            return result

    def answered(self, name: str, answer: str, right: bool) -> None:
        """Store a quiz answer; the first one given is kept beside the latest."""
        with self.change() as state:
            entry = state["quiz"].setdefault(name, {"first": answer, "tries": 0})
            entry.update(answer=answer, right=right, tries=entry["tries"] + 1)
