"""Patterns of .dockerignore."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.engine.dockerfile.ignore import IgnoreFile, PatternError

CASES = [
    ("*.log", ["a.log"], ["d/a.log"]),
    ("**/*.log", ["a.log", "d/a.log", "d/e/a.log"], ["a.txt"]),
    ("node_modules", ["node_modules", "node_modules/x/y"], ["d/node_modules"]),
    ("/docs/", ["docs/a"], ["x/docs"]),
    ("./a", ["a"], ["b"]),
    ("*/b", ["a/b", "a/b/c"], ["b"]),
    ("a?c", ["abc"], ["ac", "a/c"]),
    ("[a-c].py", ["a.py"], ["d.py"]),
    ("[^a].py", ["d.py"], ["a.py"]),
    ("a\\*b", ["a*b"], ["axb"]),
    ("**", ["a", "a/b"], []),
    ("d/**", ["d/a", "d/a/b"], ["e"]),
    ("*\n!keep", ["a"], ["keep"]),
    ("d\n!d/keep", ["d/x"], ["d/keep"]),
    ("!a\n*", ["a"], []),
    ("# a\n\n  b  ", ["b"], ["a", "# a"]),
]


@pytest.mark.parametrize(("text", "excluded", "kept"), CASES)
def test_pattern(text: str, excluded: list[str], kept: list[str]) -> None:
    ignored = IgnoreFile(text)
    assert [path for path in [*excluded, *kept] if ignored.excludes(path)] == excluded


@pytest.mark.parametrize("text", ["[", "a[b", "!", "a\\"])
def test_pattern_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        IgnoreFile(text)


@given(st.text(alphabet="*?[]^-!\\/ab.#\n", max_size=12), st.text(alphabet="ab./", min_size=1, max_size=8))
def test_any_file_is_read_or_refused(text: str, path: str) -> None:
    with contextlib.suppress(PatternError):  # any other error fails the test
        IgnoreFile(text).excludes(path)
