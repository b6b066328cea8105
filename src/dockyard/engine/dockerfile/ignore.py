"""Which paths a .dockerignore excludes.

Reference: https://docs.docker.com/build/concepts/context/#dockerignore-files. A pattern also excludes what is
below a directory that it matches; the last pattern that matches decides; `!` brings back.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from dockyard.engine.dockerfile.globs import Glob, PatternError

__all__ = ["IgnoreFile", "PatternError"]


@dataclass(frozen=True)
class _Pattern:
    glob: Glob
    brings_back: bool


class IgnoreFile:
    """The patterns of one file. Raises PatternError."""

    def __init__(self, text: str) -> None:
        self._patterns = [_compile(line) for line in _lines(text)]

    def excludes(self, path: str) -> bool:
        """Whether `path` (relative, with forward slashes) is left out, itself or a directory above it."""
        parts = path.split("/")
        candidates = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        excluded = False
        for pattern in self._patterns:
            # A pattern that would not change the result need not be tried.
            if pattern.brings_back == excluded and any(map(pattern.glob.matches, candidates)):
                excluded = not pattern.brings_back
        return excluded


def _lines(text: str) -> Iterable[str]:
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#"):
            continue
        pattern = line.strip()
        brings_back = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip()
        if not pattern:
            if brings_back:
                raise PatternError('illegal exclusion pattern: "!"')
            continue
        pattern = posixpath.normpath(pattern)
        if pattern.startswith("/") and len(pattern) > 1:
            pattern = pattern.lstrip("/")
        yield ("!" if brings_back else "") + pattern


def _compile(line: str) -> _Pattern:
    brings_back = line.startswith("!")
    return _Pattern(Glob(line.removeprefix("!"), crossing=True), brings_back)
