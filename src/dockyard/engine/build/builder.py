"""The classic builder: instruction after instruction, each an image on the last, from a cache or new."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from dockyard.engine.build.arguments import Arguments
from dockyard.engine.build.base_images import BaseImages
from dockyard.engine.build.caches import CacheMounts
from dockyard.engine.build.context import Context, download, receive
from dockyard.engine.build.errors import BuildFailed, Message
from dockyard.engine.build.options import Options
from dockyard.engine.build.running import Surroundings
from dockyard.engine.build.stage import StageState
from dockyard.engine.build.steps import Steps
from dockyard.engine.build.work import Work
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.dockerfile import (
    DockerfileError,
    Instruction,
    Stage,
    find_stage,
    interpret,
    parse,
    split_stages,
)
from dockyard.engine.dockerfile.parser import Parsed
from dockyard.engine.dockerfile.shell import ExpansionError, expand
from dockyard.engine.errors import BadParameter
from dockyard.runtime.catalog import Unavailable
from dockyard.runtime.layer_tar import LayerError
from dockyard.runtime.references import InvalidReference, short_id
from dockyard.runtime.runtime import Runtime

logger = logging.getLogger(__name__)


class Builder:
    """Builds images on a runtime.

    `groups(mode)` are the network groups of a network mode; `tagged(reference, id)` hears of each new name;
    `wheelhouse` is a directory of wheels that `pip install` in a python stand-in takes packages from.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        groups: Callable[[str], Sequence[str]] = lambda mode: (),
        tagged: Callable[[str, str], None] = lambda reference, image_id: None,
        wheelhouse: Path | None = None,
    ) -> None:
        self._runtime = runtime
        self._groups = groups
        self._tagged = tagged
        self._wheelhouse = wheelhouse
        self._contexts = runtime.images.root / "contexts"
        # What a killed daemon was sent is of no use to anyone, nor what its builds held.
        for context in self._contexts.glob("*"):
            runtime.images.release(context.name)
        shutil.rmtree(self._contexts, ignore_errors=True)
        self._contexts.mkdir()
        self.caches = CacheMounts(runtime.images.root / "cache-mounts")

    async def build(self, body: AsyncIterator[bytes], options: Options) -> AsyncIterator[Message]:
        """Read the context and the Dockerfile; the messages that follow are the build itself.

        Closing the iterator ends the build. Raises EngineError before there is a stream: for a context
        without a Dockerfile, or a Dockerfile that can't be read.
        """
        with await self._receive(body, options) as archive:
            context = await asyncio.to_thread(Context, archive, options.dockerfile, self._contexts)
        try:
            plan = await asyncio.to_thread(_Plan, context.text, options)
        except BaseException as error:
            context.close()
            if isinstance(error, DockerfileError):
                raise BadParameter(str(error)) from error
            raise
        wheelhouse = self._wheelhouse if self._wheelhouse and self._wheelhouse.is_dir() else None
        around = Surroundings(
            self._groups(options.network),
            options.extra_hosts,
            wheelhouse,
            self.caches,
            options.limits,
            options.shm_size,
        )
        work = _Build(self._runtime, context, options, plan, around, self._tagged)
        return work.messages()

    async def _receive(self, body: AsyncIterator[bytes], options: Options) -> IO[bytes]:
        if not options.remote:
            return await receive(body, self._contexts)
        progress = Progress(lambda message: None)
        try:
            return await asyncio.to_thread(download, options.remote, self._contexts, progress)
        finally:
            progress.stop()


class _Plan:
    """What will be done: stages up to the target. Raises DockerfileError."""

    def __init__(self, text: str, options: Options) -> None:
        self.parsed: Parsed = parse(text)
        instructions = [interpret(line, self.parsed.escape) for line in self.parsed.lines]
        self.before, self.stages = split_stages(instructions)
        if options.target:
            index = find_stage(self.stages, options.target)
            if index is None:
                raise DockerfileError(f'target stage "{options.target}" could not be found')
            self.stages = self.stages[: index + 1]
        if options.labels:
            self._add_labels(options)
        self.total = len(self.before) + sum(1 + len(stage.body) for stage in self.stages)

    def _add_labels(self, options: Options) -> None:
        labels = tuple(
            Instruction("LABEL", f"LABEL {name}={value}", 0, pairs=((_quote(name), _quote(value)),))
            for name, value in sorted(options.labels.items())
        )
        last = self.stages[-1]
        self.stages[-1] = Stage(last.name, last.begin, (*last.body, *labels))


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


class _Build:
    """One build."""

    def __init__(
        self,
        runtime: Runtime,
        context: Context,
        options: Options,
        plan: _Plan,
        around: Surroundings,
        tagged: Callable[[str, str], None],
    ) -> None:
        self._runtime = runtime
        self._context = context
        self._options = options
        self._plan = plan
        self._tagged = tagged
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._arguments = Arguments(options.build_args)
        self._escape = plan.parsed.escape
        self._stages: list[StageState] = []
        self._number = 0
        self._bases = BaseImages(runtime.images, options.registries, self._say, always=options.pull)
        self._work_on = Work(
            runtime, context, options, self._arguments, around, self._bases, self._say, self._escape
        )
        self._steps = Steps(self._work_on)

    async def messages(self) -> AsyncIterator[Message]:
        """The stream; ends after `Successfully tagged` or after an error."""
        task = asyncio.create_task(self._work())
        try:
            while (message := await self._queue.get()) is not None:
                yield message
            await task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._work_on.end()
            await asyncio.to_thread(self._context.close)

    def _stream(self, text: str) -> None:
        self._say({"stream": text})

    def _say(self, message: Message) -> None:
        if not self._options.quiet:
            self._queue.put_nowait(message)

    async def _work(self) -> None:
        try:
            await self._build()
        except BuildFailed as error:
            self._queue.put_nowait(error.render())
        except (ExpansionError, LayerError, Unavailable, OSError) as error:
            self._queue.put_nowait(BuildFailed(str(error)).render())
        except Exception as error:
            logger.exception("a build stopped on a mistake of ours")
            message = f"dockyard: an internal mistake ({type(error).__name__}: {error}); see the daemon's log"
            self._queue.put_nowait(BuildFailed(message).render())
        finally:
            self._queue.put_nowait(None)

    async def _build(self) -> None:
        for warning in self._plan.parsed.warnings:
            self._stream(f"\x1b[91m{warning}\n\x1b[0m")
        for instruction in self._plan.before:
            self._announce(instruction)
            for name, default in instruction.pairs:
                value = None if default is None else expand(default, self._arguments.for_from(), self._escape)
                self._arguments.declare_before(name, value)
        for stage in self._plan.stages:
            await self._build_stage(stage)
        image = self._stages[-1].image
        if image is None:
            raise BuildFailed("No image was generated. Is your Dockerfile empty?")
        unused = self._arguments.not_consumed()
        if unused:
            self._stream(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed\n")
        if self._options.quiet:
            self._queue.put_nowait({"stream": f"{image.id}\n"})
        self._stream(f"Successfully built {short_id(image.id)}\n")
        for reference in self._options.tags:
            self._runtime.images.tag(image.id, reference)
            self._tagged(reference, image.id)
            self._stream(f"Successfully tagged {reference}\n")

    def _announce(self, instruction: Instruction) -> None:
        self._number += 1
        self._stream(f"Step {self._number}/{self._plan.total} : {instruction.text}")
        self._stream("\n")

    async def _build_stage(self, stage: Stage) -> None:
        self._announce(stage.begin)
        state = await self._begin(stage.begin.args[0], stage.begin.flags)
        self._stages.append(state)
        self._arguments.begin_stage()
        self._work_on.begin(state, self._named_stages())
        self._stream(f" ---> {short_id(state.image.id) if state.image else ''}\n")
        await self._run_triggers(state)
        for instruction in stage.body:
            self._announce(instruction)
            await self._steps.do(instruction)
            if state.image is not None:
                self._stream(f" ---> {short_id(state.image.id)}\n")
        if state.image is not None and not self._options.quiet:
            self._queue.put_nowait({"aux": {"ID": state.image.id}})

    async def _begin(self, base: str, flags: Mapping[str, str]) -> StageState:
        name = expand(base, self._arguments.for_from(), self._escape)
        if not name:
            raise BuildFailed(f"base name ({base}) should not be blank")
        index = find_stage(self._plan.stages[: len(self._stages)], name)
        if index is not None and not name.isdigit():
            return StageState(self._stages[index].image)
        if name == "scratch":
            return StageState(None)
        try:
            platform = expand(flags.get("platform", ""), self._arguments.for_from(), self._escape)
            image = await self._bases.find(name, platform or self._options.platform)
        except InvalidReference as error:
            raise BuildFailed(f"failed to parse base name {name!r}: {error}") from error
        return StageState(image)

    def _named_stages(self) -> Callable[[str], StageState | None]:
        earlier = len(self._stages) - 1

        def find(name: str) -> StageState | None:
            index = find_stage(self._plan.stages[:earlier], name)
            return None if index is None else self._stages[index]

        return find

    async def _run_triggers(self, state: StageState) -> None:
        """ONBUILD instructions of the base image come first."""
        if not state.triggers:
            return
        plural = "s" if len(state.triggers) > 1 else ""
        self._stream(f"# Executing {len(state.triggers)} build trigger{plural}\n")
        for line in parse("\n".join(state.triggers)).lines:
            await self._steps.do(interpret(line, "\\"))
            if state.image is not None:
                self._stream(f" ---> {short_id(state.image.id)}\n")
