"""What each instruction of a Dockerfile does to the stage that is being built."""

import asyncio
import hashlib
import json
import posixpath
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from dockyard.engine.build.arguments import Arguments
from dockyard.engine.build.context import Context
from dockyard.engine.build.copying import Copier, find_owner
from dockyard.engine.build.errors import BuildFailed, unreachable
from dockyard.engine.build.options import Options
from dockyard.engine.build.running import Command, Step, Surroundings
from dockyard.engine.build.sources import Source, find_sources, hash_sources
from dockyard.engine.build.stage import StageState
from dockyard.engine.dockerfile import Instruction
from dockyard.engine.dockerfile.durations import format_duration
from dockyard.engine.dockerfile.shell import expand, expand_words
from dockyard.engine.errors import BadParameter
from dockyard.engine.signals import parse_signal
from dockyard.runtime.images import ImageNotFound
from dockyard.runtime.layers import Layer
from dockyard.runtime.references import InvalidReference, short_id
from dockyard.runtime.runtime import Runtime
from dockyard.runtime.union import Union

_PORT = re.compile(r"(?:(?:[^:]*:)?[^:/]*:)?(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_MODE = re.compile(r"[0-7]{3,4}")
_BUILDKIT = (
    "the --{} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build "
    "images with BuildKit enabled"
)


class Steps:
    """The instructions of one build, one stage at a time (`begin`)."""

    def __init__(
        self,
        runtime: Runtime,
        context: Context,
        options: Options,
        arguments: Arguments,
        around: Surroundings,
        stream: Callable[[str], None],
        escape: str,
    ) -> None:
        self._runtime = runtime
        self._images = runtime.images
        self._context = context
        self._options = options
        self._arguments = arguments
        self._around = around
        self._stream = stream
        self._escape = escape
        self._state = StageState(None)
        self._new_tree = runtime.images.layers.new_tree
        self._find_stage: Callable[[str], StageState | None] = lambda name: None
        self._missed = False
        self._do: Mapping[str, Callable[[Instruction], Awaitable[None]]] = {
            "ADD": self._copy,
            "ARG": self._arg,
            "CMD": self._cmd,
            "COPY": self._copy,
            "ENTRYPOINT": self._entrypoint,
            "ENV": self._env,
            "EXPOSE": self._expose,
            "HEALTHCHECK": self._healthcheck,
            "LABEL": self._label,
            "MAINTAINER": self._maintainer,
            "ONBUILD": self._onbuild,
            "RUN": self._run,
            "SHELL": self._shell,
            "STOPSIGNAL": self._stopsignal,
            "USER": self._user,
            "VOLUME": self._volume,
            "WORKDIR": self._workdir,
        }

    def begin(self, state: StageState, find_stage: Callable[[str], StageState | None]) -> None:
        """Go on with another stage; `find_stage` knows those before it. The cache counts again."""
        self._state = state
        self._find_stage = find_stage
        self._missed = self._options.no_cache

    async def do(self, instruction: Instruction) -> None:
        """Build one instruction. Raises BuildFailed, ExpansionError."""
        await self._do[instruction.name](instruction)

    # --- variables ---

    def _variables(self) -> dict[str, str]:
        environment = self._state.environment()
        return {**self._arguments.for_stage(environment), **environment}

    def _expand(self, text: str) -> str:
        return expand(text, self._variables(), self._escape)

    def _expand_words(self, words: Sequence[str]) -> list[str]:
        variables = self._variables()
        return [part for word in words for part in expand_words(word, variables, self._escape)]

    # --- cache and commit ---

    def _key(self, created_by: str) -> str:
        state = self._state
        parts = [state.image.id if state.image else "", created_by, state.config, state.author]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _cached(self, key: str) -> bool:
        """Take the image of an earlier build if there is one; after the first miss nothing is taken."""
        image = None if self._missed else self._images.recall(key)
        if image is None:
            self._missed = True
            return False
        self._stream(" ---> Using cache\n")
        self._state.image = image
        return True

    def _keep(self, key: str, created_by: str, layer: Layer | None) -> None:
        state = self._state
        if layer is not None and not self._images.layers.entries(layer.digest):
            layer = None
        image = self._images.commit(
            state.image, layer, state.config, created_by=created_by, author=state.author
        )
        self._images.remember(key, image.id)
        state.image = image

    def _nop(self, comment: str) -> str:
        return " ".join([*self._state.shell, f"#(nop) {comment}"])

    def _commit(self, comment: str) -> None:
        """An instruction that changes the configuration only."""
        created_by = self._nop(" " + comment)
        key = self._key(created_by)
        if self._cached(key):
            return
        self._say_container(secrets.token_hex(32))
        self._keep(key, created_by, None)

    def _say_container(self, container_id: str) -> None:
        # Upstream makes a container for every instruction; here only RUN has a real one.
        self._stream(f" ---> Running in {short_id(container_id)}\n")
        self._say_removed(container_id, self._options.remove)

    def _say_removed(self, container_id: str, removed: bool) -> None:
        if removed:
            self._stream(f" ---> Removed intermediate container {short_id(container_id)}\n")

    # --- the configuration ---

    async def _arg(self, instruction: Instruction) -> None:
        said = []
        for name, default in instruction.pairs:
            value = None if default is None else self._expand(default)
            self._arguments.declare(name, value)
            said.append(name if value is None else f"{name}={value}")
        self._commit("ARG " + " ".join(said))

    async def _env(self, instruction: Instruction) -> None:
        variables = self._variables()
        said = []
        for raw_name, raw in instruction.pairs:
            name = expand(raw_name, variables, self._escape)
            value = expand(raw or "", variables, self._escape)
            self._state.set_environment(name, value)
            said.append(f"{name}={value}")
        self._commit("ENV " + " ".join(said))

    async def _label(self, instruction: Instruction) -> None:
        labels = dict(self._state.config.get("Labels") or {})
        said = []
        for raw_name, raw in instruction.pairs:
            name, value = self._expand(raw_name), self._expand(raw or "")
            labels[name] = value
            said.append(f"{name}={value}")
        self._state.config["Labels"] = labels
        self._commit("LABEL " + " ".join(said))

    async def _maintainer(self, instruction: Instruction) -> None:
        self._state.author = instruction.args[0]
        self._commit(f"MAINTAINER {instruction.args[0]}")

    async def _user(self, instruction: Instruction) -> None:
        self._state.config["User"] = self._expand(instruction.args[0])
        self._commit(f"USER {self._state.config['User']}")

    async def _volume(self, instruction: Instruction) -> None:
        paths = [self._expand(word) for word in instruction.args]
        volumes = {**(self._state.config.get("Volumes") or {}), **{path: {} for path in paths}}
        self._state.config["Volumes"] = volumes
        self._commit(f"VOLUME [{' '.join(paths)}]")

    async def _expose(self, instruction: Instruction) -> None:
        ports = dict(self._state.config.get("ExposedPorts") or {})
        words = self._expand_words(instruction.args)
        for word in words:
            ports.update((port, {}) for port in _ports(word))
        self._state.config["ExposedPorts"] = ports
        self._commit("EXPOSE " + " ".join(sorted(words)))

    async def _stopsignal(self, instruction: Instruction) -> None:
        signal = self._expand(instruction.args[0])
        try:
            parse_signal(signal)
        except BadParameter as error:
            raise BuildFailed(error.message) from error
        self._state.config["StopSignal"] = signal
        self._commit(f"STOPSIGNAL {signal}")

    async def _shell(self, instruction: Instruction) -> None:
        self._state.config["Shell"] = list(instruction.args)
        self._commit(f"SHELL [{' '.join(instruction.args)}]")

    async def _cmd(self, instruction: Instruction) -> None:
        self._state.config["Cmd"] = self._words(instruction)
        self._state.has_cmd = True
        self._commit(f"CMD {_quoted(self._state.config['Cmd'] or [])}")

    async def _entrypoint(self, instruction: Instruction) -> None:
        self._state.config["Entrypoint"] = self._words(instruction)
        if not self._state.has_cmd:
            self._state.config["Cmd"] = None
        self._commit(f"ENTRYPOINT {_quoted(self._state.config['Entrypoint'] or [])}")

    def _words(self, instruction: Instruction) -> list[str] | None:
        if instruction.is_json:
            return list(instruction.args) or None
        return [*self._state.shell, *instruction.args] if instruction.args else None

    async def _healthcheck(self, instruction: Instruction) -> None:
        health = dict(instruction.health or {})
        old = self._state.config.get("Healthcheck")
        if old and old.get("Test"):
            self._stream(f"Note: overriding previous HEALTHCHECK: [{' '.join(old['Test'])}]\n")
        self._state.config["Healthcheck"] = health
        spans = [
            format_duration(int(str(health.get(key, 0))))
            for key in ("Interval", "Timeout", "StartPeriod", "StartInterval")
        ]
        test = " ".join(str(word) for word in _list(health["Test"]))
        self._commit(f"HEALTHCHECK &{{[{test}] {' '.join(spans)} {health.get('Retries', 0)}}}")

    async def _onbuild(self, instruction: Instruction) -> None:
        triggers = [*(self._state.config.get("OnBuild") or []), instruction.args[0]]
        self._state.config["OnBuild"] = triggers
        self._commit(f"ONBUILD {instruction.args[0]}")

    # --- the files ---

    async def _workdir(self, instruction: Instruction) -> None:
        state = self._state
        path = posixpath.normpath(posixpath.join(state.directory, self._expand(instruction.args[0])))
        state.config["WorkingDir"] = path
        created_by = self._nop(f"WORKDIR {path}")
        key = self._key(created_by)
        if self._cached(key):
            return
        below = self._below(state)
        found = Union(below).lookup(path)
        if found is not None and not found.is_dir:
            raise BuildFailed(f"Cannot mkdir: {path} is not a directory")
        self._say_container(secrets.token_hex(32))

        def make() -> Layer | None:
            if found is not None:
                return None
            copier = Copier(self._new_tree(), below, owner=(0, 0), mode=None, keep_mtime=False)
            copier.make_directory(path)
            copier.finish()
            return self._images.add_layer(copier.tree, owners=copier.owners)

        self._keep(key, created_by, await asyncio.to_thread(make))

    def _below(self, state: StageState) -> Sequence[Path]:
        return self._images.layer_paths(state.image) if state.image else ()

    async def _run(self, instruction: Instruction) -> None:
        if instruction.mounts:
            raise BuildFailed(_BUILDKIT.format("mount"))
        state = self._state
        environment = state.environment()
        arguments = self._arguments.for_stage(environment)
        command = self._command(instruction, {**arguments, **environment})
        created_by = " ".join([*command.argv, command.script] if command.script else command.argv)
        if arguments:
            recorded = self._arguments.in_history(arguments)
            created_by = " ".join([f"|{len(recorded)}", *recorded, created_by])
        hidden = json.dumps(sorted(arguments.items()))  # a proxy changes the result, but not the history
        key = self._key(created_by + hidden)
        if self._cached(key):
            return
        step = Step(self._runtime, self._around)
        self._stream(f" ---> Running in {short_id(step.id)}\n")
        try:
            layer = await step.run(state, command, self._stream)
        except BuildFailed:
            self._say_removed(step.id, self._options.force_remove)
            raise
        self._say_removed(step.id, self._options.remove)
        self._keep(key, created_by, layer)

    def _command(self, instruction: Instruction, environment: dict[str, str]) -> Command:
        shell = self._state.shell
        if instruction.is_json:
            return Command(instruction.args, environment)
        if not instruction.heredocs:
            return Command((*shell, *instruction.args), environment)
        # Differs: the classic builder accepts a heredoc and runs nothing of it.
        heredoc = instruction.heredocs[0]
        if len(instruction.heredocs) == 1 and re.fullmatch(r"<<-?\s*\S+", instruction.args[0].strip()):
            if heredoc.content.startswith("#!"):
                path = f"/dev/{heredoc.name}"
                return Command((path,), environment, heredoc.content, path)
            return Command((*shell, heredoc.content), environment)
        parts = [instruction.args[0]]
        for one in instruction.heredocs:
            parts.append(one.content + one.name)
        return Command((*shell, "\n".join(parts) + "\n"), environment)

    async def _copy(self, instruction: Instruction) -> None:
        if "chmod" in instruction.flags and not _MODE.fullmatch(instruction.flags["chmod"]):
            raise BuildFailed(f"invalid chmod parameter: '{instruction.flags['chmod']}': it should be octal")
        try:
            await self._copy_files(instruction)
        except BuildFailed as error:
            if error.message.startswith(_OWN_WORDS):
                raise
            raise BuildFailed(f"{instruction.name} failed: {error.message}") from error

    async def _copy_files(self, instruction: Instruction) -> None:
        state, name, flags = self._state, instruction.name, instruction.flags
        words = [self._expand(word) for word in instruction.args]
        *patterns, destination = words
        inline = [one for one in instruction.heredocs if any(_names(word, one.name) for word in patterns)]
        patterns = [word for word in patterns if not any(_names(word, one.name) for one in inline)]
        if name == "ADD" and any(word.startswith(("http://", "https://")) for word in patterns):
            raise BuildFailed(f'Get "{patterns[0]}": dockyard fetches nothing during a build')
        tree = await self._source_tree(flags["from"]) if "from" in flags else self._context.tree
        below = self._below(state)
        owner_text = self._expand(flags["chown"]) if "chown" in flags else ""
        # COPY --from keeps the owners of what it takes.
        owner = (
            await asyncio.to_thread(find_owner, Union(below), owner_text)
            if owner_text
            else None
            if "from" in flags
            else (0, 0)
        )
        in_context = "from" not in flags
        sources: list[Source] = []
        if patterns:
            sources = await asyncio.to_thread(find_sources, tree, patterns, in_context=in_context)
        texts = {
            one.name: (self._expand_lines(one.content) if one.expand else one.content).encode()
            for one in inline
        }
        is_directory = destination.endswith("/") or posixpath.basename(destination) in ("", ".", "..")
        if len(sources) + len(texts) > 1 and not is_directory:
            raise BuildFailed(
                f"When using {name} with more than one source file, the destination must be a directory "
                "and end with a /"
            )
        digest = await asyncio.to_thread(hash_sources, sources) if sources else ""
        if texts:
            digest += "inline:" + hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()
        said = [name, *(f"--{key}={flags[key]}" for key in ("chown", "chmod") if key in flags)]
        created_by = self._nop(f"{' '.join(said)} {digest} in {destination} ")
        key = self._key(created_by)
        if self._cached(key):
            return
        target = posixpath.normpath(posixpath.join(state.directory, destination))
        target = target.rstrip("/") + "/" if is_directory else target
        mode = int(flags["chmod"], 8) if "chmod" in flags else None

        def write() -> Layer:
            copier = Copier(self._new_tree(), below, owner=owner, mode=mode, keep_mtime=in_context)
            for source in sources:
                if name != "ADD" or not copier.unpack(source, target):
                    copier.copy(source, target)
            for text_name, content in texts.items():
                copier.write(text_name, content, target)
            copier.finish()
            return self._images.add_layer(
                copier.tree, keep_mtime=in_context, keep_bytecode=in_context, owners=copier.owners
            )

        self._keep(key, created_by, await asyncio.to_thread(write))

    def _expand_lines(self, text: str) -> str:
        """Variables in a heredoc; quotes in it are text."""
        variables = self._variables()
        protected = text.replace('"', f'{self._escape}"')
        return expand(f'"{protected}"', variables, self._escape)

    async def _source_tree(self, wanted: str) -> Union:
        name = self._expand(wanted)
        stage = self._find_stage(name)
        if stage is not None:
            return Union(self._images.layer_paths(stage.image) if stage.image else [])
        try:
            image = await asyncio.to_thread(self._images.resolve, name)
        except (ImageNotFound, InvalidReference) as error:
            raise BuildFailed(f"invalid from flag value {wanted}: {unreachable(name)}") from error
        return Union(self._images.layer_paths(image))


_OWN_WORDS = (
    "When using",
    "failed to copy",
    "invalid from flag",
    "unable to convert",
    "invalid chmod",
)


def _names(word: str, heredoc: str) -> bool:
    return re.fullmatch(rf"<<-?['\"]?{re.escape(heredoc)}['\"]?", word) is not None


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
