"""The changes of `docker commit --change`: lines of a Dockerfile that alter a configuration and no file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from dockyard.engine.dockerfile import DockerfileError, Instruction, interpret, parse
from dockyard.engine.dockerfile.shell import ExpansionError, expand, expand_words
from dockyard.engine.errors import BadParameter
from dockyard.engine.parameters import Document
from dockyard.engine.signals import parse_signal

_PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_SHELL = ["/bin/sh", "-c"]


def apply_changes(config: Document, changes: Sequence[str]) -> None:
    """Alter an image's configuration.

    Raises:
        BadParameter: an instruction that is not allowed here, or makes no sense.
    """
    for text in changes:
        if not text.strip():
            continue
        try:
            parsed = parse(text)
            for line in parsed.lines:
                if line.name.upper() not in _CHANGES:
                    raise BadParameter(f"{line.name} is not a valid change command")
            instructions = [interpret(line, parsed.escape) for line in parsed.lines]
        except DockerfileError as error:
            # There is no file here whose line could be named.
            raise BadParameter(re.sub(r"^dockerfile parse error (on )?line \d+: ", "", str(error))) from None
        for instruction in instructions:
            change = _Change(config, parsed.escape)
            try:
                _CHANGES[instruction.name](change, instruction)
            except ExpansionError as error:
                raise BadParameter(str(error)) from None


class _Change:
    """One instruction's work on a configuration."""

    def __init__(self, config: Document, escape: str) -> None:
        self._config = config
        self._escape = escape
        self._variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])

    def _expand(self, text: str) -> str:
        return expand(text, self._variables, self._escape)

    def _add(self, key: str, values: Document) -> None:
        self._config[key] = {**(self._config.get(key) or {}), **values}

    def _words(self, instruction: Instruction) -> list[str] | None:
        return list(instruction.args) if instruction.is_json else [*_SHELL, *instruction.args]

    def cmd(self, instruction: Instruction) -> None:
        self._config["Cmd"] = self._words(instruction)

    def entrypoint(self, instruction: Instruction) -> None:
        self._config["Entrypoint"] = self._words(instruction)
        self._config["Cmd"] = None

    def env(self, instruction: Instruction) -> None:
        for raw_name, raw in instruction.pairs:
            name, value = self._expand(raw_name), self._expand(raw or "")
            entries = list(self._config.get("Env") or [])
            for index, entry in enumerate(entries):
                if entry.partition("=")[0] == name:
                    entries[index] = f"{name}={value}"
                    break
            else:
                entries.append(f"{name}={value}")
            self._config["Env"] = entries

    def expose(self, instruction: Instruction) -> None:
        for word in instruction.args:
            for port in expand_words(word, self._variables, self._escape):
                match = _PORT.fullmatch(port)
                if match is None:
                    raise BadParameter(f"Invalid containerPort: {port}")
                first, last = int(match[1]), int(match[2] or match[1])
                kind = (match[3] or "tcp").lower()
                self._add("ExposedPorts", {f"{number}/{kind}": {} for number in range(first, last + 1)})

    def healthcheck(self, instruction: Instruction) -> None:
        # As upstream merges it: what the new one leaves out is the old one's.
        self._add("Healthcheck", {key: value for key, value in (instruction.health or {}).items() if value})

    def label(self, instruction: Instruction) -> None:
        for name, value in instruction.pairs:
            self._add("Labels", {self._expand(name): self._expand(value or "")})

    def onbuild(self, instruction: Instruction) -> None:
        self._config["OnBuild"] = [*(self._config.get("OnBuild") or []), instruction.args[0]]

    def stopsignal(self, instruction: Instruction) -> None:
        signal = self._expand(instruction.args[0])
        parse_signal(signal)
        self._config["StopSignal"] = signal

    def user(self, instruction: Instruction) -> None:
        self._config["User"] = self._expand(instruction.args[0])

    def volume(self, instruction: Instruction) -> None:
        self._add("Volumes", {self._expand(word): {} for word in instruction.args})

    def workdir(self, instruction: Instruction) -> None:
        path = posixpath.join(self._config.get("WorkingDir") or "/", self._expand(instruction.args[0]))
        self._config["WorkingDir"] = posixpath.normpath(path)


_CHANGES: dict[str, Callable[[_Change, Instruction], None]] = {
    "CMD": _Change.cmd,
    "ENTRYPOINT": _Change.entrypoint,
    "ENV": _Change.env,
    "EXPOSE": _Change.expose,
    "HEALTHCHECK": _Change.healthcheck,
    "LABEL": _Change.label,
    "ONBUILD": _Change.onbuild,
    "STOPSIGNAL": _Change.stopsignal,
    "USER": _Change.user,
    "VOLUME": _Change.volume,
    "WORKDIR": _Change.workdir,
}
