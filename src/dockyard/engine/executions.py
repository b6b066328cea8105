"""Commands that are run inside a running container, by id."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from dockyard.engine import create
from dockyard.engine.container import Container
from dockyard.engine.errors import NotFound
from dockyard.engine.events import Events
from dockyard.engine.parameters import Document
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.spec import ProcessSpec

if TYPE_CHECKING:
    from dockyard.runtime.process import Process
    from dockyard.runtime.runtime import Runtime


class Execution:
    """One command. It can be started once."""

    def __init__(self, container: Container, body: Document) -> None:
        self.id = secrets.token_hex(32)
        self.container = container
        self.body = body
        self.argv: list[str] = body["Cmd"]
        self.tty = bool(body.get("Tty"))
        self.stdin = bool(body.get("AttachStdin"))
        self.started = False
        self.running = False
        self.exit_code: int | None = None
        self.process: Process | None = None
        self.pid = 0
        self.finished = asyncio.Event()

    def document(self) -> Document:
        """Return the document of GET /exec/{id}/json."""
        process: Document = {
            "tty": self.tty,
            "entrypoint": self.argv[0],
            "arguments": self.argv[1:],
            "privileged": bool(self.body.get("Privileged")),
        }
        user = self.body.get("User") or self.container.config["User"]
        if user:
            process["user"] = user
        return {
            "ID": self.id,
            "Running": self.running,
            "ExitCode": self.exit_code,
            "ProcessConfig": process,
            "OpenStdin": self.stdin,
            "OpenStderr": bool(self.body.get("AttachStderr")),
            "OpenStdout": bool(self.body.get("AttachStdout")),
            "CanRemove": False,
            "ContainerID": self.container.id,
            "DetachKeys": self.body.get("DetachKeys") or "",
            "Pid": self.pid,
        }


class Executions:
    """The commands of one engine; they are forgotten with their container."""

    def __init__(self, runtime: Runtime, events: Events) -> None:
        self._runtime = runtime
        self._events = events
        self._by_id: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, container: Container, body: Document) -> Execution:
        """Remember a command to be started later."""
        for identifier, old in list(self._by_id.items()):
            if old.container.removed:
                del self._by_id[identifier]
        execution = Execution(container, body)
        self._by_id[execution.id] = execution
        self._tell(execution, f"exec_create: {_shown(execution)}")
        return execution

    def get(self, identifier: str) -> Execution:
        """Return a command.

        Raises:
            NotFound: there is none, or its container is gone.
        """
        found = self._by_id.get(identifier)
        if found is None or found.container.removed:
            raise NotFound(f"No such exec instance: {identifier}")
        return found

    def running(self, container: Container) -> list[str]:
        """Return the ids of the commands that run in a container."""
        return [e.id for e in self._by_id.values() if e.container is container and e.running]

    async def start(self, execution: Execution, size: tuple[int, int]) -> Process:
        """Start a command.

        Raises:
            StartError, RuntimeFailure: it could not be; its exit code is set.
        """
        execution.started = True
        body, config = execution.body, execution.container.config
        own = dict(entry.partition("=")[::2] for entry in body.get("Env") or [])
        spec = ProcessSpec(
            argv=tuple(execution.argv),
            privileged=bool(body.get("Privileged")),
            env={**create.environment(config), **own},
            cwd=body.get("WorkingDir") or config["WorkingDir"] or "/",
            user=body.get("User") or config["User"],
            tty=execution.tty,
            stdin=execution.stdin,
            size=size,
        )
        self._tell(execution, f"exec_start: {_shown(execution)}")
        try:
            process = await self._runtime.exec(execution.container.id, spec)
        except StartError as error:
            execution.exit_code = error.code
            raise
        except RuntimeFailure:
            execution.exit_code = 126
            raise
        execution.process, execution.running, execution.pid = process, True, process.pid
        task = asyncio.get_running_loop().create_task(self._watch(execution, process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return process

    async def _watch(self, execution: Execution, process: Process) -> None:
        status = await process.wait()
        execution.exit_code, execution.running, execution.process = status.code, False, None
        execution.finished.set()
        self._tell(execution, "exec_die", exitCode=str(status.code))

    def _tell(self, execution: Execution, action: str, **extra: str) -> None:
        attributes = execution.container.event_attributes(execID=execution.id, **extra)
        self._events.publish("container", action, execution.container.id, attributes)


def _shown(execution: Execution) -> str:
    return execution.argv[0] + " " + " ".join(execution.argv[1:])
