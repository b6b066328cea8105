"""Divides the text of a Dockerfile into instructions: directives, comments, continuations, flags, heredocs.

Reference: https://docs.docker.com/reference/dockerfile/#format and the parser of moby/buildkit, whose corner
cases (which blanks count, what a comment inside a continuation does) the tests compare with.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.engine.dockerfile.blanks import BLANKS, SPACE
from dockyard.engine.dockerfile.errors import DockerfileError
from dockyard.engine.dockerfile.heredocs import Heredoc, read_heredocs
from dockyard.engine.dockerfile.words import json_array

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_FLAG_SPACE = "\t\n\v\f\r "
_FLAG_ESCAPE = "\\"  # in flags the directive changes nothing
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")
_TRIGGER_WITH_HEREDOC = re.compile(rf"({'|'.join(_WITH_HEREDOCS)})\s+(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One instruction as it stands in the file; `text` is the whole of it with continuations joined."""

    number: int  # of its first line, from 1
    text: str
    name: str  # as written
    flags: tuple[str, ...]
    rest: str  # what follows the name and the flags
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """A file's instructions, its escape character, and what a person should be warned of."""

    lines: tuple[Line, ...]
    escape: str
    warnings: tuple[str, ...]


def parse(text: str) -> Parsed:
    """Divide a Dockerfile. Raises DockerfileError."""
    rows = text.removeprefix("\ufeff").split("\n")
    if rows and not rows[-1]:
        rows.pop()
    escape = _read_directives(rows)
    found, warnings = [], []
    numbered = iter(enumerate(rows, 1))
    for number, row in numbered:
        first = row.rstrip("\r").lstrip(SPACE)
        joined, more = _continued("" if first.startswith("#") else first, escape)
        if not more and not joined:
            continue
        empty = False
        while more and (following := next(numbered, None)) is not None:
            row = following[1].rstrip("\r")
            bare = row.lstrip(SPACE)
            if bare.startswith("#"):
                continue
            if not bare:
                empty = True
                continue
            part, more = _continued(row, escape)
            joined += part
        text = joined.strip(SPACE)
        if empty:
            warnings.append(f"[WARNING]: Empty continuation line found in: {text}")
        found.append(_read_line(number, text, escape, numbered))
    if not found:
        raise DockerfileError.in_file("file with no instructions")
    if warnings:
        warnings.append("[WARNING]: Empty continuation lines will become errors in a future release.")
    return Parsed(tuple(found), escape, tuple(warnings))


def _read_directives(rows: list[str]) -> str:
    """The escape character; directives stand before everything else and each only once."""
    escape = "\\"
    seen = set()
    for row in rows:
        match = _DIRECTIVE.fullmatch(row.rstrip("\r").lstrip(SPACE))
        if match is None or (name := match[1].lower()) not in ("escape", "syntax", "check"):
            break
        if name in seen:
            raise DockerfileError.in_file(f"only one {name} parser directive can be used")
        seen.add(name)
        if name == "escape":
            if match[2] not in ("\\", "`"):
                raise DockerfileError.in_file(f"invalid ESCAPE '{match[2]}'. Must be ` or \\")
            escape = match[2]
    return escape


def _continued(row: str, escape: str) -> tuple[str, bool]:
    """The row without its escape character at the end, and whether there was one (two of them are none)."""
    bare = row.rstrip(" \t")
    if bare.endswith(escape) and not bare[:-1].endswith(escape):
        return bare[:-1], True
    return row, False


def _read_line(number: int, text: str, escape: str, rows: Iterator[tuple[int, str]]) -> Line:
    name, rest = [*BLANKS.split(text, maxsplit=1), ""][:2]
    flags, rest = _take_flags(rest.lstrip(_FLAG_SPACE))
    rest = rest.strip(SPACE)
    upper = name.upper()
    if upper == "ONBUILD" and (match := _TRIGGER_WITH_HEREDOC.match(rest)):
        # The trigger keeps what follows it: it is read again when it fires.
        heredocs = () if match[2].startswith("[") else read_heredocs(text, rows)
        rest += "".join(f"\n{one.content}{one.name}" for one in heredocs)
    elif upper in _WITH_HEREDOCS and json_array(rest) is None:
        return Line(number, text, name, tuple(flags), rest, read_heredocs(text, rows))
    return Line(number, text, name, tuple(flags), rest)


def _take_flags(rest: str) -> tuple[list[str], str]:
    """The words at the start that begin with `--`, quotes and escapes taken away, and what follows them."""
    flags = []
    while rest.startswith("--"):
        word, position, quote = "", 0, ""
        while position < len(rest):
            char = rest[position]
            if quote:
                if char == quote:
                    quote = ""
                elif char == _FLAG_ESCAPE and quote == '"' and position + 1 < len(rest):
                    position += 1
                    word += rest[position]
                else:
                    word += char
            elif char in "'\"":
                quote = char
            elif char in _FLAG_SPACE:
                break
            elif char == _FLAG_ESCAPE and position + 1 < len(rest):
                position += 1
                word += rest[position]
            else:
                word += char
            position += 1
        rest = rest[position:].lstrip(_FLAG_SPACE)
        if word == "--":
            break
        flags.append(word)
    return flags, rest
