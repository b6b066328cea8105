"""Which steps of the set-up are done, so that an interrupted one resumes and a changed lock is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def digest(*files: Path) -> str:
    """One digest over the contents of `files`."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()


class Stamps:
    """Step names with the digest of what they were done from, kept inside the virtual environment."""

    def __init__(self, venv: Path) -> None:
        self.directory = venv / "share" / "dockyard"
        self.file = self.directory / "steps.json"

    def holds(self, step: str, value: str) -> bool:
        return self._read().get(step) == value

    def put(self, step: str, value: str) -> None:
        """Record that `step` is done; atomic, so that a power cut leaves the old record or the new one."""
        steps = self._read() | {step: value}
        write_atomically(self.file, json.dumps(steps, indent=1) + "\n")

    def _read(self) -> dict[str, str]:
        try:
            steps: dict[str, str] = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}
        return steps


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` as a whole: a reader sees the old text or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    os.replace(draft, path)
