"""A container's life: start, exit, restart under its policy, stop, remove."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from dockyard.engine import restarts
from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Conflict, EngineError, Failed, NotFound
from dockyard.engine.events import Events
from dockyard.engine.health import HealthChecks
from dockyard.engine.launcher import Launcher, explain
from dockyard.engine.registry import Registry
from dockyard.engine.removal import Removal
from dockyard.engine.signals import parse_signal
from dockyard.engine.volumes import Volumes
from dockyard.runtime.process import ExitStatus, Process
from dockyard.wire.clock import Clock

if TYPE_CHECKING:
    from dockyard.runtime.runtime import Runtime

logger = logging.getLogger(__name__)

DEFAULT_STOP_SECONDS = 10
REBOOT_EXIT_CODE = 255
KILL_SECONDS = 10.0


class Lifecycle:
    """Drives the containers of one engine; the container's lock is held while its state changes."""

    def __init__(
        self,
        runtime: Runtime,
        launcher: Launcher,
        registry: Registry,
        volumes: Volumes,
        events: Events,
        clock: Clock,
    ) -> None:
        self._runtime = runtime
        self._launcher = launcher
        self._registry = registry
        self._events = events
        self._clock = clock
        self._health = HealthChecks(runtime, clock, events, registry)
        self._removal = Removal(runtime, launcher, registry, volumes, events)
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    # Start.

    async def start(self, container: Container) -> None:
        """Start a container that does not run.

        Raises:
            EngineError: it cannot be started; why is kept in its state.
        """
        async with container.lock:
            if container.removed:
                raise NotFound(f"No such container: {container.id}")
            if container.status == "paused":
                raise Conflict("cannot start a paused container, try unpause instead")
            if container.running and container.status != "restarting":
                return
            self._cancel_restart(container)
            container.document.update(StoppedByHand=False, RestartCount=0)
            container.restart_delay = 0.0
            await self._start_locked(container)

    async def _start_locked(self, container: Container) -> None:
        state = container.state
        try:
            process = await self._launcher.launch(container)
        except Exception as failure:
            error, code = explain(failure)
            await self._launcher.release(container)
            state.update(Status="created" if not state["StartedAt"] else "exited", ExitCode=code)
            state.update(Error=error.message, Pid=0)
            self._registry.save(container)
            container.streams.disconnect()
            container.notify(code)
            logger.info("containers/%s: did not start: %s", container.name, error.message)
            if container.host_config["AutoRemove"]:
                await self._removal.remove(container, volumes=True)
            raise error from failure
        container.process = process
        state.update(
            Status="running",
            Pid=process.pid,
            ExitCode=0,
            Error="",
            OOMKilled=False,
            StartedAt=process.started_at,
        )
        self._registry.save(container)
        self._events.publish("container", "start", container.id, container.event_attributes())
        logger.info("containers/%s: started", container.name)
        self._health.begin(container)
        container.exit_task = self._spawn(self._watch(container, process))

    # Exit.

    async def _watch(self, container: Container, process: Process) -> None:
        status = await process.wait()
        if self._closing:
            return
        async with container.lock:
            if container.process is process:
                await self._exited(container, process, status)

    async def _exited(self, container: Container, process: Process, status: ExitStatus) -> None:
        container.process = None
        if container.stop_probing is not None:
            container.stop_probing()
        if status.oom_killed:
            self._events.publish("container", "oom", container.id, container.event_attributes())
        await self._launcher.release(container)
        for mount in container.mounts:
            if mount["Type"] == "volume":
                self._launcher.volume_event(container, mount, "unmount")
        state = container.state
        ran = status.finished_at - state["StartedAt"]
        state.update(
            Pid=0,
            ExitCode=status.code,
            OOMKilled=status.oom_killed,
            FinishedAt=status.finished_at,
        )
        restart = restarts.wanted(container)
        state["Status"] = "restarting" if restart else "exited"
        container.document["RestartCount"] += restart
        self._registry.save(container)
        logger.info("containers/%s: exited with %s", container.name, status.code)
        if container.stopping:
            container.stopping = False
            self._events.publish("container", "stop", container.id, container.event_attributes())
        extra = {"execDuration": str(int(ran)), "exitCode": str(status.code)}
        self._events.publish("container", "die", container.id, container.event_attributes(**extra))
        container.streams.disconnect()
        self._launcher.log(container).end()
        container.notify(status.code)
        if restart:
            self._restart_later(container, ran)
        elif container.host_config["AutoRemove"]:
            await self._removal.remove(container, volumes=True)

    def _restart_later(self, container: Container, ran: float) -> None:
        def restart() -> None:
            self._spawn(self._restart_now(container))

        container.restart_delay = restarts.next_delay(container.restart_delay, ran)
        container.restart_timer = self._clock.call_later(container.restart_delay, restart)

    async def _restart_now(self, container: Container) -> None:
        async with container.lock:
            if container.restart_timer is None or container.removed or self._closing:
                return
            container.restart_timer = None
            try:
                await self._start_locked(container)
            except EngineError:
                return  # it is in the container's state, and in the log

    def _cancel_restart(self, container: Container) -> None:
        if container.restart_timer is not None:
            container.restart_timer.cancel()
            container.restart_timer = None

    # Stop.

    async def stop(self, container: Container, signal_name: str = "", seconds: float | None = None) -> None:
        """Ask a container to end, and make it end after `seconds` (its own StopTimeout, else 10; < 0: never).

        A container that does not run is left alone.
        """
        number = parse_signal(signal_name or container.config.get("StopSignal") or "SIGTERM")
        if seconds is None:
            seconds = container.config.get("StopTimeout", DEFAULT_STOP_SECONDS)
        # The lock is waited for: a restart that is just happening must not slip past us.
        async with container.lock:
            container.document["StoppedByHand"] = True
            self._end_waiting_for_restart(container)
            process = container.process
            if process is None:
                return
            exited = self._exited_task(container)
            container.stopping = True
        self._kill_event(container, number)
        process.signal(number)
        if not await self._within(exited, seconds):
            self._kill_event(container, signal.SIGKILL)
            process.signal(signal.SIGKILL)
            await exited

    def _end_waiting_for_restart(self, container: Container) -> bool:
        if container.status != "restarting" or container.restart_timer is None:
            return False
        self._cancel_restart(container)
        container.state["Status"] = "exited"
        self._registry.save(container)
        container.notify(container.state["ExitCode"])
        return True

    def _exited_task(self, container: Container) -> asyncio.Future[None]:
        assert container.exit_task is not None
        return asyncio.shield(container.exit_task)

    async def _within(self, future: asyncio.Future[None], seconds: float) -> bool:
        """Wait for `future`; False when it takes longer than `seconds`, as the engine's clock counts."""
        if seconds < 0:
            await future
            return True
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(*_: object) -> None:
            if not over.done():
                over.set_result(None)

        timer = self._clock.call_later(seconds, end)
        future.add_done_callback(end)
        try:
            await over
            return future.done()
        finally:
            timer.cancel()

    def _kill_event(self, container: Container, number: int) -> None:
        about = container.event_attributes(signal=str(int(number)))
        self._events.publish("container", "kill", container.id, about)

    async def kill(self, container: Container, signal_name: str, shown: str) -> None:
        """Send a signal; SIGKILL is waited for.

        Raises:
            BadParameter: no such signal.
            Conflict: the container does not run.
        """
        try:
            number = parse_signal(signal_name or "SIGKILL")
        except BadParameter as error:
            raise BadParameter(f"cannot kill container: {shown}: {error.message}") from None
        async with container.lock:
            own = container.config.get("StopSignal")
            if number == signal.SIGKILL or not own or parse_signal(own) == number:
                container.document["StoppedByHand"] = True
            if self._end_waiting_for_restart(container):
                return
            process = container.process
            if process is None:
                raise Conflict(f"cannot kill container: {shown}: container {container.id} is not running")
            exited = self._exited_task(container)
        if container.status == "paused":
            await self.unpause(container)
        self._kill_event(container, number)
        process.signal(number)
        if number == signal.SIGKILL:
            await self._within(exited, KILL_SECONDS)

    async def restart(
        self, container: Container, signal_name: str = "", seconds: float | None = None
    ) -> None:
        """Stop and start."""
        # An auto-remove container survives its restart.
        keep = container.host_config["AutoRemove"]
        container.host_config["AutoRemove"] = False
        try:
            await self.stop(container, signal_name, seconds)
        finally:
            container.host_config["AutoRemove"] = keep
        await self.start(container)
        self._events.publish("container", "restart", container.id, container.event_attributes())

    async def pause(self, container: Container) -> None:
        """Let every process of a container stand still.

        Raises:
            Conflict: it does not run, or is paused.
        """
        async with container.lock:
            if container.status == "paused":
                raise Conflict(f"Container {container.id} is already paused")
            if container.status == "restarting":
                raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
            if container.process is None:
                raise Conflict(f"container {container.id} is not running")
            # Differs: `docker pause` sends SIGSTOP where upstream uses the freezer, so a parent can see that
            # its child stopped.
            self._runtime.signal_all(container.id, signal.SIGSTOP)
            container.state["Status"] = "paused"
            self._registry.save(container)
            self._events.publish("container", "pause", container.id, container.event_attributes())

    async def unpause(self, container: Container) -> None:
        """Undo `pause`.

        Raises:
            Failed: it is not paused.
        """
        async with container.lock:
            if container.status != "paused":
                raise Failed(f"Container {container.id} is not paused")
            self._runtime.signal_all(container.id, signal.SIGCONT)
            container.state["Status"] = "running"
            self._registry.save(container)
            self._events.publish("container", "unpause", container.id, container.event_attributes())

    # Removal.

    async def remove(self, container: Container, shown: str, *, force: bool, volumes: bool) -> None:
        """Delete a container, with `volumes` also its anonymous ones, with `force` also while it runs.

        Raises:
            Conflict: it runs.
        """
        if container.running and not force:
            what = {
                "paused": "container is paused and must be unpaused first",
                "restarting": "container is restarting: stop the container before removing or force remove",
            }.get(
                container.status, "container is running: stop the container before removing or force remove"
            )
            raise Conflict(f'cannot remove container "{shown}": {what}')
        async with container.lock:
            container.document["StoppedByHand"] = True
            self._end_waiting_for_restart(container)
            # Its exit must not remove it a second time.
            container.host_config["AutoRemove"] = False
            process, exited = container.process, container.exit_task
        if process is not None and exited is not None:
            self._kill_event(container, signal.SIGKILL)
            process.signal(signal.SIGKILL)
            await self._within(asyncio.shield(exited), KILL_SECONDS)
        async with container.lock:
            if not container.removed:
                await self._removal.remove(container, volumes=volumes)

    def volume_users(self, name: str) -> list[str]:
        """Return the ids of the containers that have a volume."""
        return self._removal.volume_users(name)

    # The engine's own start and stop.

    async def boot(self) -> None:
        """What was running is dead; start again what its restart policy starts again."""
        for container in list(self._registry):
            was_running = container.running
            if was_running:
                now = self._clock.now()
                container.state.update(Status="exited", Pid=0, ExitCode=REBOOT_EXIT_CODE, FinishedAt=now)
            for endpoint in container.endpoints.values():
                endpoint["EndpointID"] = ""
            if container.host_config["AutoRemove"] and (was_running or container.state["StartedAt"]):
                await self._removal.remove(container, volumes=True)
                continue
            self._registry.save(container)
            if restarts.wanted_at_boot(container, was_running=was_running):
                self._spawn(self._start_at_boot(container))

    async def _start_at_boot(self, container: Container) -> None:
        try:
            await self.start(container)
        except EngineError as error:
            logger.warning("containers/%s: not started at boot: %s", container.name, error.message)

    def close(self) -> None:
        """Stop acting on exits; the runtime ends the processes. The next boot is as after a power cut."""
        self._closing = True
        for container in self._registry:
            self._cancel_restart(container)
            if container.stop_probing is not None:
                container.stop_probing()
        for task in list(self._tasks):
            task.cancel()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a container's task failed", exc_info=task.exception())
