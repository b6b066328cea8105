"""Containers for tests of the runtime: a small root file system made of this machine's programs."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.runtime.elf import closure
from dockyard.runtime.process import ExitStatus, Process
from dockyard.runtime.runtime import Runtime
from dockyard.runtime.spec import ContainerSpec, ProcessSpec, Rootfs

PROGRAMS = (
    "sh",
    "cat",
    "echo",
    "env",
    "hostname",
    "id",
    "ls",
    "mkdir",
    "rm",
    "sleep",
    "stty",
    "touch",
    "tty",
)
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\ndocs:x:2000:app\n"


@dataclass
class Running:
    """A process and all that it has written so far."""

    process: Process
    written: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    ended: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def output(self) -> str:
        return self.written[1].decode()

    @property
    def errors(self) -> str:
        return self.written[2].decode()

    def hear(self, stream: int, data: bytes) -> None:
        self.written[stream] += data
        if not data:
            self.ended.append(stream)
        self.news.set()

    async def until(self, fact: Callable[[], Any]) -> None:
        """Returns when `fact` holds, looked at whenever the process has written something."""
        async with asyncio.timeout(30):
            while not fact():
                self.news.clear()
                await self.news.wait()

    async def wait(self) -> ExitStatus:
        async with asyncio.timeout(30):
            return await self.process.wait()


class Box:
    """Runs containers in one runtime, all from one layer that is made of this machine's programs."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime = runtime
        self.folder = folder
        self.layer = folder / "layer"
        self._count = 0
        for name in PROGRAMS:
            self.add(Path(shutil.which(name) or name), f"bin/{name}")
        (self.layer / "etc").mkdir()
        (self.layer / "etc/passwd").write_text(PASSWD)
        (self.layer / "etc/group").write_text(GROUP)
        (self.layer / "data").mkdir()
        (self.layer / "data/greeting").write_text("hello from the layer\n")
        (self.layer / "home/app").mkdir(parents=True)
        (self.layer / "tmp").mkdir()
        (self.layer / "tmp").chmod(0o1777)

    @property
    def driver(self) -> str:
        return self.runtime.driver.traits.name

    def add(self, program: Path, target: str) -> None:
        """Puts a program of this machine, and the libraries that it needs, into the layer."""
        self._copy(program, target)
        for library in closure([program]):
            self._copy(library, str(library).lstrip("/"))

    def _copy(self, source: Path, target: str) -> None:
        path = self.layer / target
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path)

    def rootfs(self) -> Rootfs:
        self._count += 1
        folder = self.folder / f"container-{self._count}"
        rootfs = Rootfs((self.layer,), folder / "upper", folder / "work", folder / "merged")
        for path in (rootfs.upper, rootfs.work, rootfs.merged):
            path.mkdir(parents=True)
        if not self.runtime.driver.traits.overlay:
            shutil.copytree(self.layer, rootfs.merged, dirs_exist_ok=True, symlinks=True, copy_function=_copy)
        return rootfs

    async def run(self, *argv: str, id: str = "", process: Any = None, **more: Any) -> Running:
        """Starts a container; keywords of ProcessSpec are for its process, the others for the container."""
        spec = process or _process(argv, more)
        rootfs = more.pop("rootfs", None) or self.rootfs()
        name = id or f"box-{self._count}"
        container = ContainerSpec(name, rootfs, spec, name, "box", **more)
        running = Running(await asyncio.wait_for(self.runtime.run(container), 30))
        running.process.subscribe(running.hear)
        return running

    async def exec(self, id: str, *argv: str, **more: Any) -> Running:
        running = Running(await asyncio.wait_for(self.runtime.exec(id, _process(argv, more)), 30))
        running.process.subscribe(running.hear)
        return running


def _copy(source: str, target: str) -> None:
    # The large files, programs and libraries, are linked: no test changes them.
    if os.path.getsize(source) > 4096:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _process(argv: tuple[str, ...], more: dict[str, Any]) -> ProcessSpec:
    names = ("env", "cwd", "user", "tty", "stdin", "size")
    return ProcessSpec(argv, **{name: more.pop(name) for name in names if name in more})
