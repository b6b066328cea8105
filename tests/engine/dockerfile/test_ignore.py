"""Patterns of .dockerignore."""

import contextlib

import pytest
from hypothesis import given, settings
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


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet="*?[]^-!\\/ab.#\n", max_size=12), st.text(alphabet="ab./", min_size=1, max_size=8))
def test_any_file_is_read_or_refused(text: str, path: str) -> None:
    with contextlib.suppress(PatternError):  # any other error fails the test
        IgnoreFile(text).excludes(path)


def by_hand(pattern: str, path: str) -> bool:
    """The rules again, by trying everything: slow, and too simple to be wrong."""
    if not pattern:
        return not path
    if pattern.startswith("**/"):
        rests = [path] + [path[index + 1 :] for index, char in enumerate(path) if char == "/"]
        return any(by_hand(pattern[3:], rest) for rest in rests)
    if pattern == "**":
        return True
    if pattern.startswith("*"):
        name = path.partition("/")[0]
        return any(by_hand(pattern[1:], path[count:]) for count in range(len(name) + 1))
    if not path or (pattern[0] == "?" and path[0] == "/"):
        return False
    return pattern[0] in ("?", path[0]) and by_hand(pattern[1:], path[1:])


PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(["**", "*", "a", "b", "a*", "*.b", "?", "a?b", "*a*b*"])
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), PATTERNS), min_size=1, max_size=4), PATHS)
def test_the_last_pattern_that_matches_decides(patterns: list[tuple[bool, str]], path: str) -> None:
    if any(part in (".", "..") for part in path.split("/")):
        return
    parts = path.split("/")
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    excluded = False
    for back, pattern in patterns:
        if any(by_hand(pattern, prefix) for prefix in prefixes):
            excluded = not back
    text = "\n".join(("!" if back else "") + pattern for back, pattern in patterns)
    assert IgnoreFile(text).excludes(path) == excluded


def test_pattern_for_which_a_backtracking_matcher_needs_years() -> None:
    assert not IgnoreFile("**/" + "a*" * 30 + "b").excludes("a" * 200)
