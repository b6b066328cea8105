"""The evidence of one trial: every request, change, step and the verdict, as files beside one another."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import IO, Any

from dockyard.home import Home

logger = logging.getLogger(__name__)
KEPT = 20  # trials of one exercise whose evidence stays


class Evidence:
    """A folder of JSON lines. A disk that refuses costs the evidence, never the verdict: `lost` says so."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.lost = "" if folder else "evidence could not be kept"
        self._files: dict[str, IO[str]] = {}

    @classmethod
    def open(cls, home: Home, exercise: str) -> Evidence:
        """A new dated folder; the oldest ones of this exercise go."""
        base = home.root / "evidence" / exercise
        stamp = time.strftime("%Y%m%d-%H%M%S")
        try:
            base.mkdir(parents=True, exist_ok=True)
            for old in sorted(path for path in base.iterdir() if path.is_dir())[: -KEPT + 1]:
                shutil.rmtree(old, ignore_errors=True)
            for suffix in ("", *(f"-{number}" for number in range(2, 100))):
                try:
                    (base / f"{stamp}{suffix}").mkdir()
                except FileExistsError:
                    continue
                return cls(base / f"{stamp}{suffix}")
        except OSError as error:
            logger.warning("evidence/%s: %s", exercise, error)
        return cls(None)

    def add(self, name: str, document: dict[str, Any]) -> None:
        """Append one JSON line to `name`.jsonl; it is on its way to the disk when this returns."""
        if self.folder is None:
            return
        try:
            if name not in self._files:
                self._files[name] = (self.folder / f"{name}.jsonl").open("a", buffering=1)
            self._files[name].write(json.dumps(document, separators=(",", ":")) + "\n")
        except (OSError, ValueError) as error:
            self.lost = f"evidence is incomplete: {error}"

    def write(self, name: str, text: str) -> None:
        """Write a whole file."""
        if self.folder is None:
            return
        try:
            (self.folder / name).write_text(text)
        except OSError as error:
            self.lost = f"evidence is incomplete: {error}"

    def close(self) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:
                self.lost = f"evidence is incomplete: {error}"
        self._files.clear()
