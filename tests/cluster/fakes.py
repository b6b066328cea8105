"""A runtime in memory for the node agent: programs are small Python functions, and time is a fake clock's."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.runtime.errors import StartError
from dockyard.runtime.images import ImageNotFound
from dockyard.runtime.spec import ContainerSpec, ProcessSpec, Rootfs
from dockyard.wire.clock import FakeClock


@dataclass(frozen=True)
class FakeExit:
    code: int
    signal: int | None
    oom_killed: bool
    finished_at: float


class FakeProcess:
    """A process that ends when its program, a signal or the test says so."""

    def __init__(self, clock: FakeClock, argv: tuple[str, ...], pod: str = "") -> None:
        self.argv = argv
        self.pod = pod
        self.on_end: list[Callable[[], None]] = []
        self.started_at = clock.now()
        self.signals: list[int] = []
        self.ignores: set[int] = set()
        self.on_signal: Callable[[int], None] | None = None
        self.memory = 3 << 20
        self.used = self.counted = 0.0  # seconds of CPU, and of those in which they were counted
        self._clock = clock
        self._sinks: list[Callable[[int, bytes], None]] = []
        self._exited: asyncio.Future[FakeExit] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        return not self._exited.done()

    def subscribe(self, sink: Callable[[int, bytes], None]) -> Callable[[], None]:
        self._sinks.append(sink)
        return lambda: self._sinks.remove(sink)

    def say(self, text: str, stream: int = 1) -> None:
        for sink in self._sinks:
            sink(stream, text.encode())

    def write_stdin(self, data: bytes) -> None: ...

    def close_stdin(self) -> None: ...

    def resize(self, rows: int, cols: int) -> None: ...

    def signal(self, signum: int) -> None:
        if not self.running:
            return
        self.signals.append(signum)
        if self.on_signal is not None:
            self.on_signal(signum)
        elif signum == signal.SIGKILL or signum not in self.ignores:
            self.end(128 + signum, signum)

    def end(self, code: int, signum: int | None = None, *, oom_killed: bool = False) -> None:
        if not self._exited.done():
            self._exited.set_result(FakeExit(code, signum, oom_killed, self._clock.now()))
            for callback in self.on_end:
                callback()

    async def wait(self) -> FakeExit:
        return await asyncio.shield(self._exited)


@dataclass(frozen=True)
class FakeImage:
    id: str = "sha256:" + "1" * 64
    config: dict[str, Any] = field(default_factory=dict)
    repo_tags: tuple[str, ...] = ()
    size: int = 1


class FakeImages:
    """Every image is there but those of `localhost:1`; `pause` is the only one with a command of its own."""

    def find(self, reference: str) -> FakeImage | None:
        if reference.startswith("localhost:1/"):
            return None
        return FakeImage(config={"config": {"Entrypoint": ["/pause"]}} if "/pause:" in reference else {})

    def resolve(self, reference: str) -> FakeImage:
        raise ImageNotFound(reference)


class FakeSnapshots:
    is_quick = False

    def prepare(self, container_id: str, image: Any) -> Rootfs:
        here = Path("/nonexistent")
        return Rootfs((), here, here, here)

    def remove(self, container_id: str) -> None: ...


@dataclass(frozen=True)
class FakeSandbox:
    address: str


class _Writer:
    """The half of a connection that a probe writes to; the answer is there once the request is."""

    def __init__(self, answer: Callable[[str], int], reader: asyncio.StreamReader) -> None:
        self._answer = answer
        self._reader = reader

    def write(self, data: bytes) -> None:
        path = data.split()[1].decode()
        status = self._answer(path)
        self._reader.feed_data(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        self._reader.feed_eof()

    async def drain(self) -> None: ...

    def close(self) -> None: ...


class FakeNetwork:
    """Pods get 127.0.1.1 and on. `servers[pod name]` answers paths with a status; without one: refused."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.names: dict[str, Sequence[str]] = {}
        self.srv: dict[str, Sequence[tuple[str, int]]] = {}
        self.services: dict[tuple[str, int], Sequence[tuple[str, int]]] = {}
        self.servers: dict[str, Callable[[str], int]] = {}
        self.pod_names: dict[str, str] = {}
        self.cut_off: set[str] = set()
        self.policies: dict[str, tuple[Any, Any]] = {}
        self._count = 0

    def attach(
        self,
        sandbox: str,
        *,
        groups: Iterable[str] = (),
        address: str | None = None,
        search: Sequence[str] = (),
    ) -> FakeSandbox:
        if sandbox not in self.addresses:
            self._count += 1
            self.addresses[sandbox] = f"127.0.1.{self._count}"
        return FakeSandbox(self.addresses[sandbox])

    def detach(self, sandbox: str) -> None:
        self.addresses.pop(sandbox, None)

    def set_policy(self, sandbox: str, ingress: Any, egress: Any) -> None:
        self.policies[sandbox] = (ingress, egress)

    def cut(self, sandboxes: Iterable[str]) -> None:
        self.cut_off.update(sandboxes)

    def restore(self, sandboxes: Iterable[str]) -> None:
        self.cut_off.difference_update(sandboxes)

    def set_names(self, group: str, names: Mapping[str, Sequence[str]]) -> None:
        for name, addresses in names.items():
            if addresses:
                self.names[name] = addresses
            else:
                self.names.pop(name, None)

    def set_alias(self, group: str, name: str, target: str) -> None:
        pass

    def set_srv(self, group: str, name: str, targets: Sequence[tuple[str, int]]) -> None:
        self.srv[name] = targets

    def set_service(self, group: str, address: str, port: int, backends: Sequence[tuple[str, int]]) -> None:
        self.services[address, port] = backends

    def remove_service(self, group: str, address: str, port: int) -> None:
        del self.services[address, port]

    async def dial(self, sandbox: str, port: int, *, localhost: bool = False) -> Any:
        server = self.servers.get(self.pod_names.get(sandbox, ""), self.servers.get("*"))
        if server is None or sandbox not in self.addresses:
            raise ConnectionRefusedError("refused")
        reader = asyncio.StreamReader()
        return reader, _Writer(server, reader)


@dataclass(frozen=True)
class FakeUsage:
    cpu: int
    memory: int
    cache: int = 1 << 20


class FakeRuntime:
    """Containers by the name of their Pod; `programs[argv0]` sets up what a process does."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.images = FakeImages()
        self.snapshots = FakeSnapshots()
        self.network = FakeNetwork()
        self.programs: dict[str, Callable[[FakeProcess], None]] = {}
        self.execs: dict[str, Callable[[FakeProcess], None]] = {}
        self.start_seconds: Callable[[], float] = lambda: 0.0
        self.cores: Callable[[str], float] = lambda pod: 0.0
        self.started: list[ContainerSpec] = []
        self.processes: dict[str, FakeProcess] = {}

    async def run(self, spec: ContainerSpec) -> FakeProcess:
        if spec.process.argv[0].startswith("/no/"):
            absent = spec.process.argv[0]
            raise StartError(127, f'exec: "{absent}": stat {absent}: no such file or directory')
        delay = self.start_seconds()
        if delay:
            await self.clock.sleep(delay)
        process = FakeProcess(self.clock, spec.process.argv, spec.hostname)
        self.started.append(spec)
        self.processes[spec.id] = process
        self.network.pod_names[spec.sandbox] = spec.hostname
        program = self.programs.get(spec.process.argv[0])
        if program is not None:
            program(process)
        return process

    async def exec(self, container_id: str, process: ProcessSpec) -> FakeProcess:
        started = FakeProcess(self.clock, process.argv)
        program = self.execs.get(process.argv[0])
        if program is None:
            self.clock.call_later(0, lambda: started.end(0))
        else:
            program(started)
        return started

    async def usage(self, container_id: str) -> FakeUsage:
        """What the container has used: `cores(pod name)` all the time since it started."""
        process = self.processes[container_id]
        seconds = self.clock.now() - process.started_at
        process.used += (seconds - process.counted) * self.cores(process.pod)
        process.counted = seconds
        return FakeUsage(round(process.used * 1e9), process.memory)

    async def remove(self, container_id: str) -> None:
        process = self.processes.pop(container_id, None)
        if process is not None:
            process.signal(signal.SIGKILL)

    def process_of(self, pod: str) -> FakeProcess:
        """The newest process of a Pod's container."""
        spec = [spec for spec in self.started if spec.hostname == pod][-1]
        return self.processes[spec.id]
