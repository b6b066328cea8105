"""Heredocs: `<<NAME` on a line, and the lines after it up to NAME."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.engine.dockerfile.errors import DockerfileError
from dockyard.engine.dockerfile.shell import ExpansionError, expand_words
from dockyard.engine.dockerfile.words import quoted_words

_MARK = re.compile(r"(\d*)<<(-?)([^<]+)", re.DOTALL)


@dataclass(frozen=True)
class Heredoc:
    """`<<NAME` and the lines up to NAME. `expand`: variables in them mean something (NAME is not quoted)."""

    name: str
    content: str
    expand: bool


def read_heredocs(text: str, rows: Iterator[tuple[int, str]]) -> tuple[Heredoc, ...]:
    """Those that the instruction `text` names, taken from the rows after it. Raises DockerfileError."""
    if "<<" not in text:
        return ()
    try:
        expand_words(text, {}, keep_unset=True)
    except ExpansionError:
        return ()  # a quote that isn't closed, for example: then nothing is divided into words
    return tuple(
        _read(match, rows) for word in quoted_words(text, "\\") if (match := read_mark(word)) is not None
    )


@dataclass(frozen=True)
class Mark:
    """One word of the form `<<NAME`."""

    name: str
    expand: bool
    chomp: bool  # tabs at the beginning of a line don't count


def read_mark(word: str) -> Mark | None:
    """What the word says if it is one. Raises DockerfileError."""
    match = _MARK.fullmatch(word)
    if match is None:
        return None
    raw = match[3]
    try:
        names = expand_words(raw, {}, keep_unset=True)
    except ExpansionError as error:
        raise DockerfileError.in_file(str(error)) from None
    return Mark(names[0], names[0] == raw, bool(match[2])) if len(names) == 1 else None


def _read(mark: Mark, rows: Iterator[tuple[int, str]]) -> Heredoc:
    lines: list[str] = []
    for _, row in rows:
        line = row.lstrip("\t") if mark.chomp else row
        if line.rstrip("\r") == mark.name:
            return Heredoc(mark.name, "".join(part + "\n" for part in lines), mark.expand)
        lines.append(line)
    raise DockerfileError.in_file("unterminated heredoc")
