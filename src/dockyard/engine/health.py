"""Health checks: a command inside the container, run again and again (moby's health.go)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from dockyard.engine import create
from dockyard.engine.container import Container
from dockyard.engine.events import Events
from dockyard.engine.parameters import Document
from dockyard.engine.registry import Registry
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.spec import ProcessSpec
from dockyard.wire.clock import Clock

if TYPE_CHECKING:
    from dockyard.runtime.runtime import Runtime

logger = logging.getLogger(__name__)

SECOND = 1_000_000_000
DEFAULT_INTERVAL = 30.0
DEFAULT_TIMEOUT = 30.0
DEFAULT_START_INTERVAL = 5.0
DEFAULT_RETRIES = 3
KEPT = 5
MAX_OUTPUT = 4096
_SIGNALLED = 128
_TOGETHER = 0.2  # seconds


class HealthChecks:
    """Probes running containers and keeps State.Health."""

    def __init__(self, runtime: Runtime, clock: Clock, events: Events, registry: Registry) -> None:
        self._runtime = runtime
        self._clock = clock
        self._events = events
        self._registry = registry

    def begin(self, container: Container) -> None:
        """Start probing a container that has just started, if it has a check."""
        check = container.config.get("Healthcheck") or {}
        if not (check.get("Test") or []) or check["Test"][0] == "NONE":
            container.state["Health"] = None
            return
        earlier = (container.state.get("Health") or {}).get("Log") or []
        container.state["Health"] = {"Status": "starting", "FailingStreak": 0, "Log": earlier}
        task = asyncio.get_running_loop().create_task(self._probe_until_cancelled(container, check))
        container.stop_probing = lambda: _stop(container, task)

    async def _probe_until_cancelled(self, container: Container, check: Document) -> None:
        started = self._clock.monotonic()
        start_period = (check.get("StartPeriod") or 0) / SECOND
        try:
            while True:
                starting = (
                    container.state["Health"]["Status"] == "starting"
                    and self._clock.monotonic() - started < start_period
                )
                await self._clock.sleep(_interval(check, starting=starting))
                result = await self._probe(container, check)
                in_grace = starting and self._clock.monotonic() - started < start_period
                if result["ExitCode"] > _SIGNALLED and await self._is_ending(container):
                    return  # it was ended with its container
                self._record(container, check, result, in_grace=in_grace)
        except asyncio.CancelledError:
            return
        except Exception:
            logger.exception("containers/%s: the health check ended by a mistake of ours", container.name)

    async def _probe(self, container: Container, check: Document) -> Document:
        kind, *arguments = check["Test"]
        argv = ("/bin/sh", "-c", " ".join(arguments)) if kind == "CMD-SHELL" else tuple(arguments)
        config = container.config
        spec = ProcessSpec(
            argv=argv, env=create.environment(config), cwd=config["WorkingDir"] or "/", user=config["User"]
        )
        result: Document = {"Start": self._clock.now(), "End": 0.0, "ExitCode": 0, "Output": ""}
        output: list[bytes] = []
        timeout = (check.get("Timeout") or 0) / SECOND or DEFAULT_TIMEOUT
        about = container.event_attributes(execID=secrets.token_hex(32))
        shown_argv = argv[0] + " " + " ".join(argv[1:])
        for action in ("exec_create", "exec_start"):
            self._events.publish("container", f"{action}: {shown_argv}", container.id, about)
        try:
            process = await self._runtime.exec(container.id, spec)
            process.subscribe(lambda _, data: output.append(data))
            ended = asyncio.ensure_future(process.wait())
            late = asyncio.Event()
            timer = self._clock.call_later(timeout, late.set)
            waiting = asyncio.ensure_future(late.wait())
            try:
                await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                waiting.cancel()
            if not ended.done():
                process.signal(9)
                ended.cancel()
                text = f"Health check exceeded timeout ({_go_duration(timeout)})"
                shown = b"".join(output).decode("utf-8", "replace")
                result.update(ExitCode=-1, Output=f"{text}: {shown}" if shown else text)
            else:
                result["ExitCode"] = ended.result().code
                result["Output"] = b"".join(output)[:MAX_OUTPUT].decode("utf-8", "replace")
                about["exitCode"] = str(result["ExitCode"])
                self._events.publish("container", "exec_die", container.id, about)
        except StartError as error:
            text = "OCI runtime exec failed: exec failed: unable to start container process: " + error.message
            result.update(ExitCode=-1, Output=text)
        except RuntimeFailure as error:
            result.update(ExitCode=-1, Output=str(error))
        result["End"] = self._clock.now()
        return result

    async def _is_ending(self, container: Container) -> bool:
        """Whether the container ends just now: its probe's end may be heard before its own."""
        process = container.process
        if process is not None:
            ended = asyncio.ensure_future(process.wait())
            await asyncio.wait({ended}, timeout=_TOGETHER)
            ended.cancel()
        return process is None or process.status is not None

    def _record(self, container: Container, check: Document, result: Document, *, in_grace: bool) -> None:
        if container.process is None:
            return
        health: Document = container.state["Health"]
        before = health["Status"]
        health["Log"] = [*health["Log"], result][-KEPT:]
        if result["ExitCode"] == 0:
            health.update(Status="healthy", FailingStreak=0)
        elif not in_grace:
            health["FailingStreak"] += 1
            if health["FailingStreak"] >= (check.get("Retries") or DEFAULT_RETRIES):
                health["Status"] = "unhealthy"
        if health["Status"] != before:
            action = f"health_status: {health['Status']}"
            self._events.publish("container", action, container.id, container.event_attributes())
            logger.info("containers/%s: %s", container.name, health["Status"])
        self._registry.save(container)


def _stop(container: Container, task: asyncio.Task[None]) -> None:
    task.cancel()
    container.stop_probing = None
    health = container.state.get("Health")
    if health and health["Status"] != "unhealthy":
        health.update(Status="unhealthy", FailingStreak=0)


def _interval(check: Document, *, starting: bool) -> float:
    if starting:
        return (check.get("StartInterval") or 0) / SECOND or DEFAULT_START_INTERVAL
    return (check.get("Interval") or 0) / SECOND or DEFAULT_INTERVAL


def _go_duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    return f"{seconds:g}s" if seconds < 60 else f"{int(seconds // 60)}m{seconds % 60:g}s"
