"""Variables in arguments, as documented for environment replacement."""

import pytest

from dockyard.engine.dockerfile.shell import ExpansionError, expand, expand_words

VARIABLES = {"A": "1", "EMPTY": "", "B": "two words"}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("$A", "1"),
        ("${A}x", "1x"),
        ("$A_x", ""),
        ("\\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        ('"\\$A \\x"', "$A \\x"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${A:+set}", "set"),
        ("${NONE:+set}", ""),
        ("${NONE:-${A}${B}}", "1two words"),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("100%", "100%"),
    ],
)
def test_expansion(word: str, value: str) -> None:
    assert expand(word, VARIABLES) == value


@pytest.mark.parametrize("word", ["${A", "${A:", "${}", "'open", '"open', "${A:=x}", "${NONE:?wanted}"])
def test_what_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(ExpansionError):
        expand(word, VARIABLES)


def test_values_divide_at_blanks_that_are_not_quoted() -> None:
    assert expand_words("$B '$B' \"$B\"", VARIABLES) == ["two", "words", "$B", "two words"]


def test_other_escape_character() -> None:
    assert expand("`$A\\", VARIABLES, "`") == "$A\\"
