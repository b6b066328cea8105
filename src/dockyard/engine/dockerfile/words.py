"""How the rest of an instruction divides into arguments: JSON arrays, blanks, name=value pairs."""

import json

from dockyard.engine.dockerfile.blanks import BLANKS, SPACE
from dockyard.engine.dockerfile.errors import DockerfileError


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def json_array(rest: str) -> list[str] | None:
    """The strings of the JSON array that `rest` starts with; None when it is none and so is shell text.

    What follows the array is ignored, as upstream does. Raises DockerfileError for an array of other things.
    """
    if not rest.startswith("["):
        return None
    try:
        found, _ = _DECODER.raw_decode(rest)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in found):
        raise DockerfileError.in_file(
            "when using JSON array syntax, arrays must be comprised of strings only"
        )
    return list(found)


def blank_separated(rest: str) -> list[str]:
    """The words of plain text; quotes mean nothing."""
    return [word for word in BLANKS.split(rest) if word]


def quoted_words(rest: str, escape: str) -> list[str]:
    """Words that may hold blanks inside quotes or after an escape; quotes and escapes stay in them."""
    words: list[str] = []
    word, quote, started = "", "", False
    position = 0
    while position < len(rest):
        char = rest[position]
        if char == escape and position + 1 == len(rest):
            break  # upstream leaves it away, also inside quotes
        if char == escape and quote != "'":
            word += rest[position : position + 2]
            position += 2
            started = True
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in SPACE:
            if started:
                words.append(word)
            word, started = "", False
            position += 1
            continue
        elif char in "'\"":
            quote = char
        word += char
        started = True
        position += 1
    if started:
        words.append(word)
    return words


def pairs(rest: str, instruction: str, escape: str) -> list[tuple[str, str]]:
    """`NAME=value ...`, or the old form `NAME value with blanks`. Raises DockerfileError."""
    words = quoted_words(rest, escape)
    if not words:
        return []
    if "=" not in words[0]:
        parts = BLANKS.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileError.in_file(f"{instruction} must have two arguments")
        return [(parts[0], parts[1])]
    found = []
    for word in words:
        if "=" not in word:
            raise DockerfileError.in_file(
                f"Syntax error - can't find = in {json.dumps(word, ensure_ascii=False)}. "
                "Must be of the form: name=value"
            )
        name, _, value = word.partition("=")
        found.append((name, value))
    return found
