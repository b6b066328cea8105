"""Patterns of file names, matched in time that grows with the name and the pattern, as Go's do.

A backtracking expression would need years for `a*a*a*a*b` and a long name of many `a`.
"""

import re
from collections.abc import Callable, Iterable

_Test = Callable[[str], bool]


class PatternError(ValueError):
    """A pattern that means nothing, such as an open bracket."""


class Glob:
    """`*`, `?` and `[a-z]` stay inside a name; with `crossing`, `**` crosses slashes. Raises PatternError.

    References: Go's path.Match, and https://docs.docker.com/build/concepts/context/#matching for `**`.
    """

    def __init__(self, pattern: str, *, crossing: bool) -> None:
        self._tests: list[_Test] = []  # what each state takes
        self._repeat: set[int] = set()  # states that may take any number, also none
        self._directories: set[int] = set()  # of those, `**/`: it ends only after a slash
        self._read(pattern, crossing)

    def matches(self, path: str) -> bool:
        """Whether the whole path matches."""
        states, inside = self._closed({0}), set[int]()
        for char in path:
            following: set[int] = set()
            still_inside: set[int] = set()
            for state in states | inside:
                if state == len(self._tests):
                    continue
                if state in self._directories:
                    still_inside.add(state)
                    if char == "/":
                        following.add(state + 1)
                elif self._tests[state](char):
                    following.add(state if state in self._repeat else state + 1)
            states, inside = self._closed(following), still_inside
            if not states and not inside:
                return False
        return len(self._tests) in states

    def _closed(self, states: Iterable[int]) -> set[int]:
        """The states and those that are reached from them without another character."""
        found: set[int] = set()
        for start in states:
            state = start
            while state not in found:
                found.add(state)
                if state not in self._repeat:
                    break
                state += 1
        return found

    def _add(self, test: _Test, *, repeat: bool = False) -> None:
        if repeat:
            self._repeat.add(len(self._tests))
        self._tests.append(test)

    def _read(self, pattern: str, crossing: bool) -> None:
        position = 0
        while position < len(pattern):
            char = pattern[position]
            position += 1
            if crossing and char == "*" and pattern[position : position + 1] == "*":
                position += 1
                if pattern[position : position + 1] == "/":
                    position += 1
                if position < len(pattern):
                    self._directories.add(len(self._tests))
                self._add(_anything, repeat=True)
            elif char in "*?":
                self._add(_inside_a_name, repeat=char == "*")
            elif char == "[":
                position = self._read_class(pattern, position)
            elif char == "\\":
                if position >= len(pattern):
                    raise PatternError(f"syntax error in pattern: {pattern!r}")
                self._add(pattern[position].__eq__)
                position += 1
            else:
                self._add(char.__eq__)

    def _read_class(self, pattern: str, start: int) -> int:
        end = pattern.find("]", start + 1)
        if end < 0:
            raise PatternError(f"syntax error in pattern: {pattern!r}")
        body = pattern[start:end]
        negated = body.startswith("^")
        body = re.sub(r"([\[\]\\^])", r"\\\1", body.removeprefix("^"))
        try:
            expression = re.compile(f"[{'^' if negated else ''}{body}]", re.DOTALL)
        except re.error as error:
            raise PatternError(f"syntax error in pattern: {pattern!r}") from error
        self._add(lambda char: expression.match(char) is not None)
        return end + 1


def _anything(char: str) -> bool:
    return True


def _inside_a_name(char: str) -> bool:
    return char != "/"
