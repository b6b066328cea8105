"""What each instruction of a Dockerfile does to the stage that is being built."""

import asyncio
import json
import posixpath
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

from dockyard.engine.build.copy_step import CopyStep
from dockyard.engine.build.copying import Copier
from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.build.run_step import RunStep
from dockyard.engine.build.work import Work
from dockyard.engine.dockerfile import Instruction
from dockyard.engine.dockerfile.durations import format_duration
from dockyard.engine.dockerfile.shell import expand
from dockyard.engine.errors import BadParameter
from dockyard.engine.signals import parse_signal
from dockyard.runtime.layers import Layer
from dockyard.runtime.union import Union

_PORT = re.compile(r"(?:(?:[^:]*:)?[^:/]*:)?(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)


class Steps:
    """The instructions that one build can do."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._do: Mapping[str, Callable[[Instruction], Awaitable[None]]] = {
            "ADD": CopyStep(work).do,
            "ARG": self._arg,
            "CMD": self._cmd,
            "COPY": CopyStep(work).do,
            "ENTRYPOINT": self._entrypoint,
            "ENV": self._env,
            "EXPOSE": self._expose,
            "HEALTHCHECK": self._healthcheck,
            "LABEL": self._label,
            "MAINTAINER": self._maintainer,
            "ONBUILD": self._onbuild,
            "RUN": RunStep(work).do,
            "SHELL": self._shell,
            "STOPSIGNAL": self._stopsignal,
            "USER": self._user,
            "VOLUME": self._volume,
            "WORKDIR": self._workdir,
        }

    async def do(self, instruction: Instruction) -> None:
        """Build one instruction. Raises BuildFailed, ExpansionError."""
        await self._do[instruction.name](instruction)

    async def _arg(self, instruction: Instruction) -> None:
        said = []
        for name, default in instruction.pairs:
            value = None if default is None else self._work.expand(default)
            self._work.arguments.declare(name, value)
            said.append(name if value is None else f"{name}={value}")
        self._work.commit("ARG " + " ".join(said))

    async def _env(self, instruction: Instruction) -> None:
        variables = self._work.variables()
        said = []
        for raw_name, raw in instruction.pairs:
            name = expand(raw_name, variables, self._work.escape)
            value = expand(raw or "", variables, self._work.escape)
            self._work.state.set_environment(name, value)
            said.append(f"{name}={value}")
        self._work.commit("ENV " + " ".join(said))

    async def _label(self, instruction: Instruction) -> None:
        labels = dict(self._work.state.config.get("Labels") or {})
        said = []
        for raw_name, raw in instruction.pairs:
            name, value = self._work.expand(raw_name), self._work.expand(raw or "")
            labels[name] = value
            said.append(f"{name}={value}")
        self._work.state.config["Labels"] = labels
        self._work.commit("LABEL " + " ".join(said))

    async def _maintainer(self, instruction: Instruction) -> None:
        self._work.state.author = instruction.args[0]
        self._work.commit(f"MAINTAINER {instruction.args[0]}")

    async def _user(self, instruction: Instruction) -> None:
        self._work.state.config["User"] = self._work.expand(instruction.args[0])
        self._work.commit(f"USER {self._work.state.config['User']}")

    async def _volume(self, instruction: Instruction) -> None:
        paths = [self._work.expand(word) for word in instruction.args]
        volumes = {**(self._work.state.config.get("Volumes") or {}), **{path: {} for path in paths}}
        self._work.state.config["Volumes"] = volumes
        self._work.commit(f"VOLUME [{' '.join(paths)}]")

    async def _expose(self, instruction: Instruction) -> None:
        ports = dict(self._work.state.config.get("ExposedPorts") or {})
        words = self._work.expand_words(instruction.args)
        for word in words:
            ports.update((port, {}) for port in _ports(word))
        self._work.state.config["ExposedPorts"] = ports
        self._work.commit("EXPOSE " + " ".join(sorted(words)))

    async def _stopsignal(self, instruction: Instruction) -> None:
        signal = self._work.expand(instruction.args[0])
        try:
            parse_signal(signal)
        except BadParameter as error:
            raise BuildFailed(error.message) from error
        self._work.state.config["StopSignal"] = signal
        self._work.commit(f"STOPSIGNAL {signal}")

    async def _shell(self, instruction: Instruction) -> None:
        self._work.state.config["Shell"] = list(instruction.args)
        self._work.commit(f"SHELL [{' '.join(instruction.args)}]")

    async def _cmd(self, instruction: Instruction) -> None:
        self._work.state.config["Cmd"] = self._words(instruction)
        self._work.state.has_cmd = True
        self._work.commit(f"CMD {_quoted(self._work.state.config['Cmd'] or [])}")

    async def _entrypoint(self, instruction: Instruction) -> None:
        self._work.state.config["Entrypoint"] = self._words(instruction)
        if not self._work.state.has_cmd:
            self._work.state.config["Cmd"] = None
        self._work.commit(f"ENTRYPOINT {_quoted(self._work.state.config['Entrypoint'] or [])}")

    def _words(self, instruction: Instruction) -> list[str] | None:
        if instruction.is_json:
            return list(instruction.args) or None
        return [*self._work.state.shell, *instruction.args] if instruction.args else None

    async def _healthcheck(self, instruction: Instruction) -> None:
        health = dict(instruction.health or {})
        old = self._work.state.config.get("Healthcheck")
        if old and old.get("Test"):
            self._work.stream(f"Note: overriding previous HEALTHCHECK: [{' '.join(old['Test'])}]\n")
        self._work.state.config["Healthcheck"] = health
        spans = [
            format_duration(int(str(health.get(key, 0))))
            for key in ("Interval", "Timeout", "StartPeriod", "StartInterval")
        ]
        test = " ".join(str(word) for word in _list(health["Test"]))
        self._work.commit(f"HEALTHCHECK &{{[{test}] {' '.join(spans)} {health.get('Retries', 0)}}}")

    async def _onbuild(self, instruction: Instruction) -> None:
        triggers = [*(self._work.state.config.get("OnBuild") or []), instruction.args[0]]
        self._work.state.config["OnBuild"] = triggers
        self._work.commit(f"ONBUILD {instruction.args[0]}")

    async def _workdir(self, instruction: Instruction) -> None:
        state = self._work.state
        path = posixpath.normpath(posixpath.join(state.directory, self._work.expand(instruction.args[0])))
        state.config["WorkingDir"] = path
        created_by = self._work.nop(f"WORKDIR {path}")
        key = self._work.key(created_by)
        if self._work.cached(key, created_by):
            return
        below = self._work.below()
        found = Union(below).lookup(path)
        if found is not None and not found.is_dir:
            raise BuildFailed(f"Cannot mkdir: {path} is not a directory")
        self._work.say_container(secrets.token_hex(32))

        def make() -> Layer | None:
            if found is not None:
                return None
            copier = Copier(
                self._work.images.layers.new_tree(), below, owner=(0, 0), mode=None, keep_mtime=False
            )
            copier.make_directory(path)
            copier.finish()
            return self._work.images.add_layer(copier.tree, owners=copier.owners)

        self._work.keep(key, created_by, await asyncio.to_thread(make))


def _quoted(words: Sequence[str]) -> str:
    """As Go's %q prints a list."""
    return "[" + " ".join(json.dumps(word, ensure_ascii=False) for word in words) + "]"


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _ports(word: str) -> list[str]:
    """`8000-8002/udp` -> its ports; of `8080:80` only the inner one counts."""
    match = _PORT.fullmatch(word)
    inner = word.partition("/")[0].rpartition(":")[2]
    if match is None:
        raise BuildFailed(f"Invalid containerPort: {inner}")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last < 65536:
        raise BuildFailed(f"Invalid containerPort: {inner}")
    return [f"{port}/{(match[3] or 'tcp').lower()}" for port in range(first, last + 1)]
