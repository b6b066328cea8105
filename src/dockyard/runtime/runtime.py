"""The runtime: containers run, joined, signalled and removed, whatever the driver."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dockyard.runtime import census
from dockyard.runtime.drivers.choose import Trial, choose_driver
from dockyard.runtime.drivers.driver import Driver
from dockyard.runtime.drivers.proot import remove_left_over
from dockyard.runtime.enforcement import Enforcement
from dockyard.runtime.errors import NotRunning, RuntimeFailure, StartError
from dockyard.runtime.etc import etc_mounts, write_etc
from dockyard.runtime.images import ImageStore
from dockyard.runtime.limiter import Limiter
from dockyard.runtime.network import Network
from dockyard.runtime.plan import Plan
from dockyard.runtime.planning import make_plan, mount_plan
from dockyard.runtime.process import ExitStatus, Process
from dockyard.runtime.snapshots import Snapshots
from dockyard.runtime.spawner import Spawner
from dockyard.runtime.spec import ContainerSpec, Limits, ProcessSpec
from dockyard.runtime.usage import Throttling, Usage, read_processes
from dockyard.runtime.wording import cannot_enter, cannot_execute
from dockyard.wire.clock import Clock

logger = logging.getLogger(__name__)


class _Container:
    """A container that runs: its description, its first process, and all of its processes by key."""

    def __init__(self, spec: ContainerSpec, process: Process) -> None:
        self.spec = spec
        self.process = process
        self.cgroups: list[str] = []


class Runtime:
    """Everything that runs below the engine and the cluster of one home. Use `Runtime.open`."""

    driver: Driver
    trials: tuple[Trial, ...]
    images: ImageStore
    snapshots: Snapshots

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self._network: Network | None = None
        self._clock = clock
        self._mark = str(root.resolve())
        self._limiter = Limiter(root)
        self._containers: dict[str, _Container] = {}
        self._processes: dict[str, tuple[Process, Plan]] = {}
        self._starting: dict[str, asyncio.Future[None]] = {}
        self._asked: dict[str, list[asyncio.Future[dict[str, Any]]]] = {}
        self._keys = itertools.count(1)
        self._closing = False
        self._spawner = Spawner(self._hear, self._parent_died)

    @classmethod
    async def open(
        cls, root: Path, *, clock: Clock, driver: str | None = None, network: bool = True
    ) -> Runtime:
        """Opens the runtime whose files are below `root`, and chooses its driver by running it.

        `driver` names one to use, else the best that works. `network` is false only in tests of the runtime
        itself: programs then run without the filter, in the host's network. Raises NoDriver.
        """
        root.mkdir(parents=True, exist_ok=True)
        _kill_left_over(root)
        remove_left_over(root)
        runtime = cls(root, clock)
        try:
            runtime.driver, runtime.trials = await choose_driver(root, runtime._run_with, wanted=driver)
            runtime.images = ImageStore(root / "images", clock=clock)
            overlay = runtime.driver.traits.overlay
            runtime.snapshots = Snapshots(root / "containers", runtime.images, overlay=overlay)
            if network:
                runtime._network = Network(root)
                await runtime._network.start()
                runtime._spawner.order({"do": "network"}, [runtime._network.worker_end.fileno()])
        except BaseException:
            await runtime.close()
            raise
        return runtime

    @property
    def network(self) -> Network:
        """The virtual network that every container is in."""
        if self._network is None:
            raise RuntimeFailure("this runtime was opened without a network")
        return self._network

    @property
    def parent_pid(self) -> int:
        """The pid of the process that all containers descend from."""
        return self._spawner.pid

    async def close(self) -> None:
        """Ends every container (SIGTERM, SIGKILL 0.25 s later) and leaves no process, mount or socket."""
        if self._closing:
            return
        self._closing = True
        await self._spawner.close()
        remove_left_over(self.root)
        if self._network is not None:
            await self._network.close()
        if hasattr(self, "images"):
            self.images.close()
        self._limiter.groups.close()

    async def run(self, spec: ContainerSpec) -> Process:
        """Starts a container. Its sandbox must be attached to the network. Raises StartError."""
        if spec.id in self._containers:
            raise RuntimeFailure(f"container {spec.id} is running already")
        plan = self._plan(spec, spec.process, joins=None)
        container = _Container(spec, Process(plan["key"], self._signal))
        self._containers[spec.id] = container
        try:
            self._limiter.begin(plan, spec)
            container.cgroups = plan["cgroups"]
            return await self._start(plan, spec.process, container.process)
        except BaseException:
            if self._containers.get(spec.id) is container:
                del self._containers[spec.id]
            self._limiter.end(spec.id)
            raise

    async def _run_with(self, driver: Driver, spec: ContainerSpec) -> Process:
        self.driver = driver
        return await self.run(spec)

    async def exec(self, container_id: str, process: ProcessSpec) -> Process:
        """Starts another process in a running container. Raises StartError, NotRunning.

        It has the container's environment below its own, and the container's user and folder where it names
        none.
        """
        container = self._containers.get(container_id)
        if container is None or container.process.pid == 0:
            raise NotRunning(f"container {container_id} is not running")
        first = container.spec.process
        process = replace(
            process,
            env={**first.env, **process.env},
            user=process.user or first.user,
            cwd=process.cwd or first.cwd,
        )
        plan = self._plan(container.spec, process, joins=container.process.key)
        plan["cgroups"] = container.cgroups
        return await self._start(plan, process, Process(plan["key"], self._signal))

    async def remove(self, container_id: str) -> None:
        """Kills the container if it runs; its root file system is for Snapshots to remove."""
        container = self._containers.get(container_id)
        if container is not None:
            container.process.signal(9)
            await container.process.wait()

    def signal_all(self, container_id: str, signum: int) -> None:
        """Sends `signum` to every process of a container: SIGSTOP and SIGCONT pause it and let it go on."""
        self._spawner.order({"do": "signal_all", "container": container_id, "signum": signum})

    async def pids(self, container_id: str) -> list[int]:
        """The host's pids of all processes of a container."""
        return list((await self._ask(container_id))["pids"])

    async def memory(self, container_id: str) -> int:
        """Bytes that the container's processes use, shared pages counted in proportion."""
        return census.memory(await self.pids(container_id))

    async def usage(self, container_id: str) -> Usage:
        """What a running container uses and has used: the kernel's accounts, else what /proc says now."""
        kept = self._limiter.usage(container_id)
        if kept is not None:
            return kept
        answer = await self._ask(container_id)
        return read_processes(answer["pids"], Throttling(*answer["throttling"]))

    async def update(self, container_id: str, limits: Limits) -> None:
        """Gives a running container other limits. Raises NotRunning, OSError for one the kernel refuses."""
        container = self._containers.get(container_id)
        if container is None:
            raise NotRunning(f"container {container_id} is not running")
        container.spec = replace(container.spec, limits=limits)
        self._limiter.groups.update(container_id, limits)
        watched = self._limiter.watch_plan(container.spec)
        self._spawner.order({"do": "limits", "container": container_id, "watched": watched})

    @property
    def enforcement(self) -> Enforcement:
        """Who sees to limits here: the kernel, we, or nobody."""
        return self._limiter.enforcement(self.driver.traits)

    async def _ask(self, container_id: str) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(container_id, []).append(answer)
        self._spawner.order({"do": "pids", "container": container_id})
        return await answer

    # -- starting

    def _plan(self, spec: ContainerSpec, process: ProcessSpec, *, joins: str | None) -> Plan:
        key = f"{spec.id}.{next(self._keys)}"
        traits = self.driver.traits
        plan = make_plan(spec, process, traits, key=key, joins=joins)
        plan["network"] = self._network is not None
        if joins is None:
            write_etc(spec, self._resolv_conf(spec.sandbox))
            plan["watched"] = self._limiter.watch_plan(spec)
        mounts = [*self._limiter.mounts(spec, traits), *etc_mounts(spec), *spec.mounts]
        plan["root"]["mounts"] = [mount_plan(mount) for mount in mounts]
        self.driver.shape(plan, spec, process)
        return plan

    def _resolv_conf(self, sandbox: str) -> str:
        if self._network is None:
            return Path("/etc/resolv.conf").read_text() if os.path.exists("/etc/resolv.conf") else ""
        return self._network.sandbox(sandbox).resolv_conf

    def _signal(self, key: str, signum: int) -> None:
        self._spawner.order({"do": "signal", "key": key, "signum": signum})

    async def _start(self, plan: Plan, spec: ProcessSpec, process: Process) -> Process:
        key = plan["key"]
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starting[key] = started
        self._processes[key] = (process, plan)
        theirs: list[int] = []
        if not spec.tty:
            theirs = _connect(process, spec.stdin)
        try:
            self._spawner.start(plan, theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        await asyncio.shield(started)
        return process

    # -- what the parent says

    def _hear(self, message: dict[str, Any], fds: list[int]) -> None:
        match message["event"]:
            case "started":
                self._started(message, fds)
            case "failed":
                self._failed(message)
            case "exited":
                self._exited(message)
            case "pids":
                waiting = self._asked.pop(message["container"], [])
                for answer in waiting:
                    if not answer.done():
                        answer.set_result(message)

    def _started(self, message: dict[str, Any], fds: list[int]) -> None:
        process, _ = self._processes[message["key"]]
        process.pid = message["pid"]
        process.started_at = self._clock.now()
        if fds:
            process.attach({1: fds[0]}, fds[0], terminal=True)
        started = self._starting.pop(message["key"])
        if not started.done():
            started.set_result(None)

    def _failed(self, message: dict[str, Any]) -> None:
        process, plan = self._processes.pop(message["key"])
        process.finish(ExitStatus(127, None, False, self._clock.now()))
        started = self._starting.pop(message["key"])
        if not started.done():
            started.set_exception(_start_error(plan, message))

    def _exited(self, message: dict[str, Any]) -> None:
        container = self._processes[message["key"]][1]["container"]
        oom_killed = message["oom_killed"] or self._limiter.groups.killed_by_memory(container)
        status = ExitStatus(message["code"], message["signal"], oom_killed, self._clock.now())
        self._finish(message["key"], status)

    def _finish(self, key: str, status: ExitStatus) -> None:
        process, plan = self._processes.pop(key)
        started = self._starting.pop(key, None)
        if started is not None and not started.done():
            started.set_exception(StartError(126, "the runtime was closed"))
        if plan["joins"] is None:
            self._containers.pop(plan["container"], None)
            self._limiter.end(plan["container"])
        process.finish(status)

    def _parent_died(self) -> None:
        """PR_SET_PDEATHSIG has killed its children; what a tracer leaves is found by its mark."""
        if not self._closing:
            logger.error("runtime: the parent of all containers has died, and they with it")
        _kill_left_over(self.root)
        for key in list(self._processes):
            self._finish(key, ExitStatus(137, 9, False, self._clock.now()))


def _connect(process: Process, stdin: bool) -> list[int]:
    """Gives `process` the daemon's ends of three pipes and returns the program's."""
    out, out_program = os.pipe2(os.O_CLOEXEC)
    error, error_program = os.pipe2(os.O_CLOEXEC)
    if stdin:
        in_program, write = os.pipe2(os.O_CLOEXEC)
    else:
        in_program, write = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), -1
    process.attach({1: out, 2: error}, write, terminal=False)
    return [in_program, out_program, error_program]


def _start_error(plan: Plan, message: dict[str, Any]) -> RuntimeFailure:
    code = int(message["errno"])
    match message["step"]:
        case "exec":
            return cannot_execute(plan["argv"][0], code)
        case "cwd":
            return cannot_enter(plan["cwd"], code)
        case "join":
            return NotRunning(f"container {plan['container']} is not running")
        case step:
            return StartError(126, f"{step}: {message['message']}")


def _kill_left_over(root: Path) -> None:
    """Kills what an earlier daemon of this home left, when both it and its parent were killed."""
    home = str(root.resolve())
    deadline = time.monotonic() + 0.5
    while (left := census.marked(f"{home}/") | census.rooted(home)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, 9)
            except (ProcessLookupError, PermissionError):
                continue
