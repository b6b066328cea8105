"""Our parser beside moby's own: the wheel `dockerfile` holds the Go parser that Docker's builders have.

Compared are the instructions, their lines, flags, arguments and heredocs, or that both refuse the text.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dockyard.engine.dockerfile import DockerfileError, parse
from dockyard.engine.dockerfile.parser import Line
from dockyard.engine.dockerfile.words import blank_separated, json_array, pairs, quoted_words

golang = pytest.importorskip("dockerfile", reason="the wheel with the Go parser is not installed")

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "docker" / "dockerfile.json").read_text()
)
Told = tuple[str, int, tuple[str, ...], tuple[bool, tuple[str, ...]], tuple[tuple[str, str], ...]]


def told_by_go(text: str) -> list[Told] | str:
    try:
        commands = golang.parse_string(text)
    except golang.GoParseError as error:
        return str(error)
    return [
        (
            (command.cmd or "").upper(),
            command.start_line,
            command.flags,
            (command.json, command.value) if compared(command.cmd or "") else (False, ()),
            tuple((heredoc.name, chomped(heredoc.content)) for heredoc in command.heredocs),
        )
        for command in commands
    ]


def told_by_us(text: str) -> list[Told] | str:
    try:
        parsed = parse(text)
        return [
            (
                line.name.upper(),
                line.number,
                line.flags,
                arguments(line, parsed.escape) if compared(line.name) else (False, ()),
                tuple((heredoc.name, chomped(heredoc.content)) for heredoc in line.heredocs),
            )
            for line in parsed.lines
        ]
    except DockerfileError as error:
        return str(error).removeprefix("failed to parse Dockerfile: ")


def chomped(content: str) -> str:
    """The wheel leaves in a `<<-` heredoc the tabs that a builder takes away."""
    return re.sub(r"^\t+", "", content, flags=re.MULTILINE)


LISTS = ("ADD", "COPY", "VOLUME")
COMMANDS = ("RUN", "CMD", "ENTRYPOINT", "SHELL")
WORDS = ("FROM", "EXPOSE")
PAIRS = ("ENV", "LABEL")
TEXTS = ("USER", "WORKDIR", "STOPSIGNAL", "MAINTAINER")


def compared(name: str) -> bool:
    """HEALTHCHECK and ONBUILD are divided further by the wheel; what it doesn't know has no arguments."""
    return name.upper() in (*LISTS, *COMMANDS, *WORDS, *PAIRS, *TEXTS, "ARG")


def arguments(line: Line, escape: str) -> tuple[bool, tuple[str, ...]]:
    name, rest = line.name.upper(), line.rest
    found = json_array(rest) if name in LISTS + COMMANDS else None
    if found is not None:
        return True, tuple(found)
    if name in PAIRS:
        return False, tuple(part for pair in pairs(rest, name, escape) for part in pair)
    if name == "ARG":
        return False, tuple(quoted_words(rest, escape))
    if name in LISTS + WORDS:
        return False, tuple(blank_separated(rest))
    return False, (rest,) if rest else ()


def compare(text: str) -> None:
    theirs, ours = told_by_go(text), told_by_us(text)
    if isinstance(theirs, str) and isinstance(ours, str):
        return  # both refuse it; of two mistakes, they may name different ones
    assert ours == theirs


PIECES = [
    *("RUN ", "run ", "COPY ", "ADD ", "ENV ", "LABEL ", "ARG ", "FROM ", "CMD ", "VOLUME ", "EXPOSE "),
    *("WORKDIR ", "USER ", "SHELL ", "ENTRYPOINT ", "STOPSIGNAL ", "x", "a b", "é", "1", "echo hi", "&&"),
    *(
        " ",
        "\t",
        "\v",
        "\u00a0",
        "\u2003",
        "\r",
        "\ufeff",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\\\n",
        " \\\n",
        "\\ \n",
    ),
    *("`\n", "# c\n", "  # d\n", "#x", "# escape=`\n", "# escape=\\\n", "# syntax=docker/dockerfile:1\n"),
    *("--from=b ", "--link ", '--x="y\\"z" ', "-- ", 'c="x y"', "d='p q'", "e=f", "=", "\\ ", "\\", '"', "'"),
    *('["a","b"]', '["a", 1]', '["a\\"b"]', "[", "]", "${X}", "${", "$", "<<EOF", "<<-EOF", "<<'EOF'"),
    *('<<"EOF"', '<<E"O"F', "3<<EOF", "<<", "<<A <<B", "EOF\n", "\tEOF\n", "A\n", "B\n", "FROM busybox\n"),
]


@settings(deadline=None, max_examples=600, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
@example("# syntax=x\n# escape=`\nRUN a `\n b\n")
@example("# other=x\n# escape=`\nRUN a `\n b\n")
@example("\ufeffFROM a\n\ufeffRUN b\n")
@example("RUN <<EOF cat ${X:?wanted}\nx\nEOF\n")
@example("COPY <<A <<-'B' /x/\none\nA\n\ttwo\n\tB\n")
@example("RUN 'a <<EOF'\nRUN \"<<EOF\nEOF\n")
@example('RUN ["a", NaN]\nVOLUME ["a"] b\n')
@example("ENV a=\\\n  b c=' d' e\\ f=g\\\n")
@example("LABEL \\\n")
def test_any_text_is_read_as_moby_reads_it(text: str) -> None:
    compare(text)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(max_size=40))
def test_any_characters_are_read_as_moby_reads_them(text: str) -> None:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return  # the wheel takes C strings
    compare(text)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_file_is_read_as_moby_reads_it(name: str) -> None:
    compare(RECORDED[name]["dockerfile"])
