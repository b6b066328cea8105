"""Runs the command of a RUN in a container of its own and keeps what it wrote as a layer."""

import asyncio
import codecs
import contextlib
import posixpath
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dockyard.engine.build.caches import CacheMounts
from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.build.stage import StageState
from dockyard.engine.rootfs import make_directory
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.layers import Layer
from dockyard.runtime.process import Process
from dockyard.runtime.runtime import Runtime
from dockyard.runtime.spec import ContainerSpec, Limits, Mount, ProcessSpec, Rootfs
from dockyard.runtime.union import Union

WHEELHOUSE = "/usr/share/dockyard/wheelhouse"
_NOT_STARTED = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: error during container init: "
)


@dataclass(frozen=True)
class Command:
    """`argv` and its environment; `script` is a heredoc with its own interpreter, seen at `script_path`."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    script: str = ""
    script_path: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What every RUN of one build has around it."""

    groups: Sequence[str]  # network groups
    hosts: tuple[tuple[str, str], ...]
    wheelhouse: Path | None
    caches: CacheMounts
    limits: Limits = field(default_factory=Limits)
    shm_size: int = 64 << 20  # bytes


class Prepares(Protocol):
    """Mounts that are there while a command runs."""

    def prepared(self, scratch: Path) -> contextlib.AbstractAsyncContextManager[list[Mount]]: ...


class Step:
    """One RUN. `id` is the container's, which the stream names before it starts."""

    def __init__(self, runtime: Runtime, surroundings: Surroundings) -> None:
        self.id = secrets.token_hex(32)
        self._runtime = runtime
        self._around = surroundings

    async def run(
        self, state: StageState, command: Command, mounts: Prepares, output: Callable[[str], None]
    ) -> Layer:
        """Raises BuildFailed, with the command's exit code if it had one."""
        runtime = self._runtime
        prepare = runtime.snapshots.prepare
        rootfs = await asyncio.to_thread(prepare, self.id, state.image, temporary=True)
        sandbox = runtime.network.attach(self.id, groups=self._around.groups)
        try:
            volumes = [path.strip("/") for path in state.config.get("Volumes") or {}]
            for path in (state.directory, *(f"/{volume}" for volume in volumes)):
                make_directory(rootfs, path, overlay=runtime.driver.traits.overlay)
            own = [(sandbox.address, self.id[:12])] if self._around.groups else []
            hosts = (*self._around.hosts, *own)
            targets = await self._execute(rootfs, state, command, mounts, hosts, output)
            return await asyncio.to_thread(runtime.snapshots.diff, self.id, discard=volumes, mounted=targets)
        except StartError as error:
            message = error.message
            prefix = "" if message.startswith("unable to find") else _NOT_STARTED
            raise BuildFailed(prefix + message) from error
        except RuntimeFailure as error:
            raise BuildFailed(str(error)) from error
        finally:
            await runtime.remove(self.id)
            runtime.network.detach(self.id)
            await asyncio.to_thread(runtime.snapshots.remove, self.id)

    async def _execute(
        self,
        rootfs: Rootfs,
        state: StageState,
        command: Command,
        mounts: Prepares,
        hosts: tuple[tuple[str, str], ...],
        output: Callable[[str], None],
    ) -> list[str]:
        """Run the command to its end, and no process stays; returns where something was mounted."""
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            async with mounts.prepared(scratch) as mounted:
                if not self._runtime.driver.traits.overlay:
                    # A tracer would invent the places, and what is written beside them would be lost.
                    for mount in mounted:
                        make_directory(rootfs, _place(mount), overlay=False)
                spec = ContainerSpec(
                    id=self.id,
                    rootfs=rootfs,
                    process=ProcessSpec(
                        argv=command.argv,
                        env=command.environment,
                        cwd=state.directory,
                        user=str(state.config.get("User") or ""),
                    ),
                    sandbox=self.id,
                    hostname=self.id[:12],
                    mounts=(*self._mounts(rootfs, command, scratch), *mounted),
                    hosts=hosts,
                    limits=self._around.limits,
                    shm_size=self._around.shm_size,
                )
                try:
                    await self._wait(await self._runtime.run(spec), command, output)
                finally:
                    # Before the mounts go: nothing may write there any more.
                    await self._runtime.remove(self.id)
                return [mount.target for mount in mounted]

    def _mounts(self, rootfs: Rootfs, command: Command, scratch: Path) -> list[Mount]:
        mounts = []
        # Stand-ins have the place for it; in any other image it would be left behind as an empty directory.
        if self._around.wheelhouse is not None and Union(rootfs.layers).exists(WHEELHOUSE):
            mounts.append(Mount(WHEELHOUSE, self._around.wheelhouse, read_only=True))
        if command.script:
            script = scratch / "script"
            script.write_text(command.script)
            script.chmod(0o755)
            scratch.chmod(0o755)
            mounts.append(Mount(command.script_path, script, read_only=True))
        return mounts

    async def _wait(self, process: Process, command: Command, output: Callable[[str], None]) -> None:
        decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in (1, 2)}

        def hear(stream: int, data: bytes) -> None:
            text = decoders[stream].decode(data, final=not data)
            if text:
                # The classic builder shows what was written to stderr in red.
                output(f"\x1b[91m{text}\x1b[0m" if stream == 2 else text)

        unsubscribe = process.subscribe(hear)
        try:
            status = await process.wait()
        finally:
            unsubscribe()
        if status.code:
            words = " ".join(command.argv)
            raise BuildFailed(f"The command '{words}' returned a non-zero code: {status.code}", status.code)


def _place(mount: Mount) -> str:
    """The directory that must be there for the mount."""
    is_file = mount.source is not None and mount.source.is_file()
    return posixpath.dirname(mount.target) if is_file else mount.target
