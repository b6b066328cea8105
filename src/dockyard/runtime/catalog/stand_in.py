"""What a stand-in is: a base image made of this machine's own files, which says so."""

import functools
import hashlib
import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

LABEL = "org.dockyard.stand-in"


class Unavailable(RuntimeError):
    """In the catalog, but this machine lacks what it is made of. The message says what to install."""


class StandIn(ABC):
    """One base image. Its content is this machine's, so its digest differs from machine to machine."""

    repository: ClassVar[str]
    base: ClassVar[str | None] = None  # the stand-in that it is built on

    @abstractmethod
    def plays(self, tag: str) -> bool:
        """Whether it stands in for this tag of its repository."""

    @abstractmethod
    def version(self) -> str:
        """The version that is really inside. Raises Unavailable."""

    @abstractmethod
    def description(self) -> str:
        """What it really is, in a few words. Raises Unavailable."""

    @abstractmethod
    def sources(self) -> list[Path]:
        """The files whose change makes it another image. Raises Unavailable."""

    @abstractmethod
    def fill(self, tree: Path, below: tuple[Path, ...]) -> dict[str, Any]:
        """Write the layer's files into `tree`, for the layers `below`; returns the image's `config`."""

    def labels(self) -> dict[str, str]:
        """What `docker inspect` shows, so that nobody takes it for the real image."""
        return {LABEL: self.description(), f"{LABEL}.version": self.version()}

    def fingerprint(self) -> str:
        """Equal as long as making it again would give the same image; doesn't read the sources."""
        parts: list[Any] = [_recipes(), type(self).__name__, self.version(), self.description()]
        for path in self.sources():
            status = path.stat()
            parts.append([str(path), status.st_size, status.st_mtime_ns])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@functools.cache
def _recipes() -> str:
    """A new dockyard may make the same image otherwise."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def architecture() -> str:
    """The machine's name in Go's words, as image configurations have it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
