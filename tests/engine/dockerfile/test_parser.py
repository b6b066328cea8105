"""How the text of a Dockerfile divides; the corner cases are the Go parser's, checked against it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.engine.dockerfile import DockerfileError, interpret, parse, split_stages


def names(text: str) -> list[str]:
    return [line.name for line in parse(text).lines]


def only(text: str) -> str:
    (line,) = parse(text).lines
    return line.text


def test_comments_and_blank_lines_are_none() -> None:
    assert names("# a\n\n  # b\nFROM x\n\n#c\nRUN y\n") == ["FROM", "RUN"]


def test_continuations_keep_their_blanks() -> None:
    assert only("RUN a && \\\n    # inside\n    b && \\\n\n  c\n") == "RUN a &&     b &&   c"


def test_empty_continuation_line_is_warned_of() -> None:
    first, second = parse("RUN a \\\n\nb\n").warnings
    assert first == "[WARNING]: Empty continuation line found in: RUN a b"
    assert second == "[WARNING]: Empty continuation lines will become errors in a future release."


def test_two_escapes_are_no_continuation() -> None:
    assert names("RUN a\\\\\nRUN b\n") == ["RUN", "RUN"]


def test_escape_directive() -> None:
    parsed = parse("# escape=`\nRUN a `\nb\\\nRUN c\n")
    assert [line.text for line in parsed.lines] == ["RUN a b\\", "RUN c"]


def test_directive_after_a_comment_is_a_comment() -> None:
    assert parse("# hello\n# escape=`\nRUN a\n").escape == "\\"


def test_lines_may_end_as_on_windows() -> None:
    assert [line.text for line in parse("FROM x\r\nRUN a \\\r\n b\r\n").lines] == ["FROM x", "RUN a  b"]


def test_byte_order_mark_is_no_part_of_the_first_word() -> None:
    assert names("\ufeffFROM x\n") == ["FROM"]


def test_flags_end_at_the_first_other_word() -> None:
    (line,) = parse('COPY --chown=1:2 --from="a b" x --y z\n').lines
    assert line.flags == ("--chown=1:2", "--from=a b")
    assert line.rest == "x --y z"


def test_heredoc_is_part_of_its_instruction() -> None:
    first, second = parse("RUN <<A cat <<-'B'\none\nA\n\ttwo\n\tB\nRUN x\n").lines
    assert [(one.name, one.content, one.expand) for one in first.heredocs] == [
        ("A", "one\n", True),
        ("B", "two\n", False),
    ]
    assert second.rest == "x"


def test_shift_is_no_heredoc() -> None:
    assert parse("RUN echo $((1<<2)) a<<b\n").lines[0].heredocs == ()


def test_unterminated_heredoc_is_an_error() -> None:
    with pytest.raises(DockerfileError, match="unterminated heredoc"):
        parse("RUN <<EOF\nx\n")


PIECES = ["RUN ", "copy ", "ENV ", "FROM x AS y", "\n", "\\\n", "`\n", "# c\n", "\t", "--from=b ", 'c="x y"']
PIECES += [
    "'q r'",
    '["a","b"]',
    "[",
    '"',
    "'",
    "${X",
    "<<EOF",
    "EOF\n",
    "\r\n",
    "=",
    "# escape=`\n",
    "\0",
    "é",
]


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=15).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DockerfileError):  # any other error fails the test
        parsed = parse(text)
        split_stages([interpret(line, parsed.escape) for line in parsed.lines])
