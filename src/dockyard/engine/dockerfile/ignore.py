"""Which paths a .dockerignore excludes.

Reference: https://docs.docker.com/build/concepts/context/#dockerignore-files. A pattern also excludes what is
below a directory that it matches; the last pattern that matches decides; `!` brings back.
"""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass


class PatternError(ValueError):
    """A pattern that means nothing, such as an open bracket."""


@dataclass(frozen=True)
class _Pattern:
    expression: re.Pattern[str]
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
            if pattern.brings_back == excluded and any(map(pattern.expression.fullmatch, candidates)):
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
    return _Pattern(re.compile(translate(line.removeprefix("!")), re.DOTALL), brings_back)


def translate(pattern: str) -> str:
    """The regular expression for a pattern: `*` and `?` stay inside a name, `**` crosses names."""
    result, position = "", 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if pattern[position : position + 1] == "*":
                position += 1
                if pattern[position : position + 1] == "/":
                    position += 1
                result += ".*" if position >= len(pattern) else "(?:.*/)?"
            else:
                result += "[^/]*"
        elif char == "?":
            result += "[^/]"
        elif char == "[":
            part, position = _translate_class(pattern, position)
            result += part
        elif char == "\\":
            if position >= len(pattern):
                raise PatternError(f"syntax error in pattern: {pattern!r}")
            result += re.escape(pattern[position])
            position += 1
        else:
            result += re.escape(char)
    return result


def _translate_class(pattern: str, start: int) -> tuple[str, int]:
    end = pattern.find("]", start + 1)
    if end < 0:
        raise PatternError(f"syntax error in pattern: {pattern!r}")
    body = pattern[start:end]
    negated = body.startswith("^")
    body = re.sub(r"([\[\]\\^])", r"\\\1", body.removeprefix("^"))
    try:
        re.compile(f"[{body}]")
    except re.error as error:
        raise PatternError(f"syntax error in pattern: {pattern!r}") from error
    return f"[{'^' if negated else ''}{body}]", end + 1
