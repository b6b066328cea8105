"""What each instruction says, in its own form, and the mistakes that show without building."""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dockyard.engine.dockerfile.durations import parse_duration
from dockyard.engine.dockerfile.errors import DockerfileError
from dockyard.engine.dockerfile.heredocs import Heredoc
from dockyard.engine.dockerfile.mounts import RunMount, read_mount
from dockyard.engine.dockerfile.parser import Line
from dockyard.engine.dockerfile.words import blank_separated, json_array, pairs, quoted_words

Health = dict[str, object]

_FLAGS: Mapping[str, frozenset[str]] = {
    "ADD": frozenset({"chown", "chmod", "link", "checksum", "keep-git-dir", "exclude"}),
    "COPY": frozenset({"chown", "chmod", "from", "link", "parents", "exclude"}),
    "FROM": frozenset({"platform"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
    "RUN": frozenset({"mount", "network", "security"}),
}
_BOOLEANS = frozenset({"link", "parents", "keep-git-dir"})
_REPEATED = frozenset({"mount", "exclude"})
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_TRIGGERS_FORBIDDEN = ("FROM", "MAINTAINER")


@dataclass(frozen=True)
class Instruction:
    """One instruction. `args` are words (or the one shell text); `is_json`: they were a JSON array."""

    name: str  # in capitals
    text: str  # the whole instruction as written
    line: int
    args: tuple[str, ...] = ()
    is_json: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[RunMount, ...] = ()
    pairs: tuple[tuple[str, str | None], ...] = ()  # of ENV, LABEL and ARG, quotes still in them
    heredocs: tuple[Heredoc, ...] = ()
    health: Health | None = None  # of HEALTHCHECK, as the API's Healthcheck


def interpret(line: Line, escape: str) -> Instruction:
    """Read one instruction. Raises DockerfileError."""
    name = line.name.upper()
    reader = _READERS.get(name)
    if reader is None:
        near = _nearest(name)
        hint = f" (did you mean {near}?)" if near else ""
        raise DockerfileError.on_line(line.number, f"unknown instruction: {line.name}{hint}")
    try:
        flags, mounts = _read_flags(name, line.flags)
        return reader(line, Instruction(name, line.text, line.number, flags=flags, mounts=mounts), escape)
    except _Mistake as mistake:
        raise DockerfileError.on_line(line.number, str(mistake)) from None


class _Mistake(ValueError):
    """Something wrong with the instruction at hand; becomes a DockerfileError with its line."""


def _read_flags(name: str, words: tuple[str, ...]) -> tuple[dict[str, str], tuple[RunMount, ...]]:
    allowed = _FLAGS.get(name, frozenset())
    flags: dict[str, str] = {}
    mounts: list[RunMount] = []
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if key not in allowed:
            raise _Mistake(f"unknown flag: --{key}")
        if key in _BOOLEANS:
            if equals and value not in ("true", "false"):
                raise _Mistake(f"expecting boolean value for flag {key}, not: {value}")
            value = value or "true"
        elif not equals:
            raise _Mistake(f"missing a value on flag: --{key}")
        if key == "mount":
            try:
                mounts.append(read_mount(value))
            except (ValueError, csv.Error) as error:
                raise _Mistake(str(error)) from None
        elif key in flags and key not in _REPEATED:
            raise _Mistake(f"duplicate flag specified: {key}")
        flags[key] = value
    return flags, tuple(mounts)


def _with(base: Instruction, **changes: object) -> Instruction:
    return Instruction(**{**base.__dict__, **changes})


def _at_least_one(name: str, words: object) -> None:
    if not words:
        raise _Mistake(f"{name} requires at least one argument")


def _read_words(line: Line, base: Instruction, escape: str) -> Instruction:
    words = blank_separated(line.rest)
    _at_least_one(base.name, words)
    return _with(base, args=tuple(words))


def _read_list(line: Line, base: Instruction, escape: str) -> Instruction:
    found = json_array(line.rest)
    words = blank_separated(line.rest) if found is None else found
    _at_least_one(base.name, words)
    if any(not word.strip() for word in words):
        raise _Mistake(f"{base.name} specified can not be an empty string")
    return _with(base, args=tuple(words), is_json=found is not None)


def _read_copy(line: Line, base: Instruction, escape: str) -> Instruction:
    found = json_array(line.rest)
    words = blank_separated(line.rest) if found is None else found
    if len(words) < 2:
        # Upstream counts an empty line as one argument too.
        raise _Mistake(
            f"{base.name} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    return _with(base, args=tuple(words), is_json=found is not None, heredocs=line.heredocs)


def _read_command(line: Line, base: Instruction, escape: str) -> Instruction:
    found = json_array(line.rest)
    if found is None:
        if base.name == "RUN":
            _at_least_one("RUN", line.rest)
        return _with(base, args=(line.rest,) if line.rest else (), heredocs=line.heredocs)
    if base.name == "RUN":
        _at_least_one("RUN", found)
    return _with(base, args=tuple(found), is_json=True)


def _read_one(line: Line, base: Instruction, escape: str) -> Instruction:
    if not line.rest:
        raise _Mistake(f"{base.name} requires exactly one argument")
    return _with(base, args=(line.rest,))


def _read_pairs(line: Line, base: Instruction, escape: str) -> Instruction:
    found = pairs(line.rest, base.name, escape)
    _at_least_one(base.name, found)
    if any(not name for name, _ in found):
        raise _Mistake(f"{base.name} names can not be blank")
    return _with(base, pairs=tuple(found))


def _read_arg(line: Line, base: Instruction, escape: str) -> Instruction:
    words = quoted_words(line.rest, escape)
    _at_least_one("ARG", words)
    found: list[tuple[str, str | None]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise _Mistake("ARG names can not be blank")
        found.append((name, value if equals else None))
    return _with(base, pairs=tuple(found))


def _read_from(line: Line, base: Instruction, escape: str) -> Instruction:
    words = blank_separated(line.rest)
    if len(words) != 1 and not (len(words) == 3 and words[1].lower() == "as"):
        raise _Mistake("FROM requires either one or three arguments")
    if len(words) == 3 and not _STAGE_NAME.fullmatch(words[2].lower()):
        raise _Mistake(
            f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
        )
    return _with(base, args=(words[0], *(word.lower() for word in words[2:])))


def _read_shell(line: Line, base: Instruction, escape: str) -> Instruction:
    found = json_array(line.rest)
    if found is None:
        raise _Mistake("SHELL requires the arguments to be in JSON form")
    _at_least_one("SHELL", found)
    return _with(base, args=tuple(found), is_json=True)


def _read_healthcheck(line: Line, base: Instruction, escape: str) -> Instruction:
    _at_least_one("HEALTHCHECK", line.rest)
    kind, rest = [*line.rest.split(None, 1), ""][:2]
    if kind.upper() == "NONE":
        if rest:
            raise _Mistake("HEALTHCHECK NONE takes no arguments")
        return _with(base, health={"Test": ["NONE"]})
    if kind.upper() != "CMD":
        raise _Mistake(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    found = json_array(rest)
    if not rest or found == []:
        raise _Mistake("Missing command after HEALTHCHECK CMD")
    health: Health = {"Test": ["CMD-SHELL", rest] if found is None else ["CMD", *found]}
    names = {
        "interval": "Interval",
        "timeout": "Timeout",
        "start-period": "StartPeriod",
        "start-interval": "StartInterval",
    }
    for flag, key in names.items():
        if flag in base.flags and (nanoseconds := _read_duration(flag, base.flags[flag])):
            health[key] = nanoseconds
    if "retries" in base.flags:
        retries = base.flags["retries"]
        if not re.fullmatch(r"[+-]?\d+", retries):
            raise _Mistake(f'strconv.ParseInt: parsing "{retries}": invalid syntax')
        if int(retries) < 0:
            raise _Mistake(f"--retries cannot be negative ({int(retries)})")
        if int(retries):
            health["Retries"] = int(retries)
    return _with(base, health=health)


def _read_duration(flag: str, text: str) -> int:
    try:
        nanoseconds = parse_duration(text)
    except ValueError as error:
        raise _Mistake(str(error)) from None
    if nanoseconds and nanoseconds < 10**6:
        raise _Mistake(f'Interval "{flag}" cannot be less than 1ms')
    return nanoseconds


def _read_onbuild(line: Line, base: Instruction, escape: str) -> Instruction:
    _at_least_one("ONBUILD", line.rest)
    trigger = line.rest.split(None, 1)[0].upper()
    if trigger == "ONBUILD":
        raise _Mistake("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in _TRIGGERS_FORBIDDEN:
        raise _Mistake(f"{trigger} isn't allowed as an ONBUILD trigger")
    return _with(base, args=(line.rest,))


_Reader = Callable[[Line, Instruction, str], Instruction]
_READERS: Mapping[str, _Reader] = {
    "ADD": _read_copy,
    "ARG": _read_arg,
    "CMD": _read_command,
    "COPY": _read_copy,
    "ENTRYPOINT": _read_command,
    "ENV": _read_pairs,
    "EXPOSE": _read_words,
    "FROM": _read_from,
    "HEALTHCHECK": _read_healthcheck,
    "LABEL": _read_pairs,
    "MAINTAINER": _read_one,
    "ONBUILD": _read_onbuild,
    "RUN": _read_command,
    "SHELL": _read_shell,
    "STOPSIGNAL": _read_one,
    "USER": _read_one,
    "VOLUME": _read_list,
    "WORKDIR": _read_one,
}


def _nearest(name: str) -> str | None:
    best = min(_READERS, key=lambda known: _distance(name, known))
    return best if _distance(name, best) < 3 else None


def _distance(one: str, other: str) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for index, char in enumerate(one, 1):
        previous, row[0] = row[0], index
        for column, wanted in enumerate(other, 1):
            previous, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, previous + (char != wanted)),
            )
    return row[-1]
