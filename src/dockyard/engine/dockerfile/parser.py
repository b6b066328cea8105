"""Divides the text of a Dockerfile into instructions: directives, comments, continuations, flags, heredocs.

Reference: https://docs.docker.com/reference/dockerfile/#format and the parser of moby/buildkit, whose corner
cases (which blanks count, what a comment inside a continuation does) the tests compare with.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.engine.dockerfile.errors import DockerfileError

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_HEREDOC = re.compile(r"(?<!\S)\d*<<(-?)(['\"]?)([^\s<'\"]+)\2(?!\S)")
_BLANKS = " \t\v\f\r"


@dataclass(frozen=True)
class Heredoc:
    """`<<NAME` and the lines up to NAME. `expand`: variables in them mean something (NAME is not quoted)."""

    name: str
    content: str
    expand: bool


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
        first = _strip_comment(row.lstrip(" \t\v\f\r").rstrip("\r"))
        joined, more = _continued(first, escape)
        continued, empty = more, False
        while more:
            following = next(numbered, None)
            if following is None:
                break
            row = following[1].rstrip("\r")
            if row.lstrip().startswith("#"):
                continue
            if not row.strip():
                empty = True
                continue
            part, more = _continued(row, escape)
            joined += part
        if not joined.strip() and not continued:
            continue
        if empty:
            warnings.append(f"[WARNING]: Empty continuation line found in: {joined.strip()}")
        found.append(_read_line(number, joined.strip(), escape, numbered))
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
        match = _DIRECTIVE.fullmatch(row.strip())
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


def _strip_comment(row: str) -> str:
    return "" if row.startswith("#") else row


def _continued(row: str, escape: str) -> tuple[str, bool]:
    """The row without its escape character at the end, and whether there was one (two of them are none)."""
    bare = row.rstrip(" \t")
    if bare.endswith(escape) and not bare[:-1].endswith(escape):
        return bare[:-1], True
    return row, False


def _read_line(number: int, text: str, escape: str, rows: Iterator[tuple[int, str]]) -> Line:
    name, _, rest = text.partition(" ") if "\t" not in text else _partition_blank(text)
    flags, rest = _take_flags(rest.lstrip(_BLANKS), escape)
    heredocs = []
    if name.upper() in ("RUN", "COPY", "ADD") and not rest.startswith("["):
        for match in _HEREDOC.finditer(rest):
            heredocs.append(_read_heredoc(match, rows))
    return Line(number, text, name, tuple(flags), rest, tuple(heredocs))


def _partition_blank(text: str) -> tuple[str, str, str]:
    parts = re.split(f"[{_BLANKS}]+", text, maxsplit=1)
    return parts[0], " ", parts[1] if len(parts) > 1 else ""


def _read_heredoc(match: re.Match[str], rows: Iterator[tuple[int, str]]) -> Heredoc:
    dash, quote, name = match[1], match[2], match[3]
    lines: list[str] = []
    for _, row in rows:
        line = row.lstrip("\t") if dash else row
        if line.rstrip("\r") == name:
            return Heredoc(name, "".join(part + "\n" for part in lines), not quote)
        lines.append(line)
    raise DockerfileError.in_file(f"unterminated heredoc {name}")


def _take_flags(rest: str, escape: str) -> tuple[list[str], str]:
    """The words at the start that begin with `--`, quotes and escapes taken away, and what follows them."""
    flags = []
    while rest.startswith("--"):
        word, position, quote = "", 0, ""
        while position < len(rest):
            char = rest[position]
            if quote:
                if char == quote:
                    quote = ""
                elif char == escape and quote == '"' and position + 1 < len(rest):
                    position += 1
                    word += rest[position]
                else:
                    word += char
            elif char in "'\"":
                quote = char
            elif char.isspace():
                break
            elif char == escape and position + 1 < len(rest):
                position += 1
                word += rest[position]
            else:
                word += char
            position += 1
        rest = rest[position:].lstrip(_BLANKS)
        if word == "--":
            break
        flags.append(word)
    return flags, rest
