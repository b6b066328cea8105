"""Endpoints of commands inside containers: create, start, inspect, resize."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dockyard.engine.containers import size
from dockyard.engine.errors import BadParameter, Conflict, Failed, NotFound
from dockyard.engine.executions import Execution
from dockyard.engine.frames import STDOUT, content_type, frame
from dockyard.engine.parameters import flag, json_body
from dockyard.engine.routes import Routes
from dockyard.engine.streams import Streams
from dockyard.engine.streams_api import DETACH_KEYS, DetachDetector, detach_sequence, take_over
from dockyard.engine.versions import split_version
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.users import find_account
from dockyard.wire.http import ClientDisconnectedError, RawStream, Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_FAILED = "OCI runtime exec failed: exec failed: unable to start container process: "


def routes(engine: Engine) -> Routes:
    api = ExecApi(engine)
    yield "POST", "/containers/{id}/exec", api.create
    yield "POST", "/exec/{id}/start", api.start
    yield "POST", "/exec/{id}/resize", api.resize
    yield "GET", "/exec/{id}/json", api.inspect


class ExecApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, request: Request) -> Response:
        body = await json_body(request)
        command = body.get("Cmd")
        if not command:
            raise BadParameter("No exec command specified")
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise BadParameter("invalid JSON: json: cannot unmarshal value into Go value of type []string")
        shown = request.path_parameters["id"]
        container = self._engine.registry.get(shown)
        if container.status == "paused":
            raise Conflict(f"Container {shown} is paused, unpause the container before exec")
        if container.status == "restarting":
            raise Conflict(f"Container {shown} is restarting, wait until the container is running")
        if container.process is None:
            raise Conflict(f"container {container.id} is not running")
        user = body.get("User") or ""
        snapshot = self._engine.runtime.snapshots.get(container.id)
        if user and snapshot is not None:
            overlay = self._engine.runtime.driver.traits.overlay
            trees = [snapshot.upper, *reversed(snapshot.layers)] if overlay else [snapshot.merged]
            try:
                find_account(trees, user)
            except StartError as error:
                raise BadParameter(error.message) from None
        execution = self._engine.executions.add(container, body)
        return json_response({"Id": execution.id}, 201)

    async def inspect(self, request: Request) -> Response:
        return json_response(self._engine.executions.get(request.path_parameters["id"]).document())

    async def resize(self, request: Request) -> Response:
        rows, columns = size(request)
        execution = self._engine.executions.get(request.path_parameters["id"])
        if not execution.started:
            raise Failed("cannot resize a stopped container")
        if execution.process is None:
            raise NotFound(f"NotFound: process does not exist {execution.id}: not found")
        execution.process.resize(rows, columns)
        return Response(200)

    async def start(self, request: Request) -> Response | None:
        body = await json_body(request, optional=True)
        execution = self._engine.executions.get(request.path_parameters["id"])
        container = execution.container
        if container.process is None:
            raise Conflict(f"container {container.id} is not running")
        if container.status == "paused":
            raise Conflict(f"container {container.id} is paused, unpause the container before exec")
        rows, columns = body.get("ConsoleSize") or execution.body.get("ConsoleSize") or (0, 0)
        console = (rows, columns)
        if body.get("Detach") or flag(request, "detach"):
            return await self._start_detached(execution, console)
        keys = detach_sequence(execution.body.get("DetachKeys") or DETACH_KEYS) if execution.tty else b""
        media = content_type(execution.tty, split_version(request.path)[0])
        raw = await take_over(request, media, self._engine.clock)
        if execution.started:
            _complain(execution, raw, f"exec command {execution.id} has already run")
            return None
        try:
            await self._run(execution, raw, console, keys)
        except StartError as error:
            _complain(execution, raw, _FAILED + error.message)
        except RuntimeFailure as error:
            _complain(execution, raw, str(error))
        except ClientDisconnectedError:
            pass  # the command goes on, as upstream's does
        return None

    async def _start_detached(self, execution: Execution, console: tuple[int, int]) -> Response:
        if execution.started:
            raise Conflict(f"exec command {execution.id} has already run")
        try:
            process = await self._engine.executions.start(execution, console)
        except StartError as error:
            raise BadParameter(_FAILED + error.message) from None
        except RuntimeFailure as error:
            raise Conflict(str(error)) from None
        process.subscribe(lambda stream, data: None)
        process.close_stdin()
        return Response(200)

    async def _run(self, execution: Execution, raw: RawStream, console: tuple[int, int], keys: bytes) -> None:
        streams = Streams()
        attachment = streams.attach(
            stdout=bool(execution.body.get("AttachStdout")), stderr=bool(execution.body.get("AttachStderr"))
        )
        process = await self._engine.executions.start(execution, console)
        streams.connect(process)

        async def carry_input() -> None:
            detector = DetachDetector(keys)
            while data := await raw.read():
                if execution.stdin:
                    data, detached = detector.feed(data)
                    streams.write(data)
                    if detached:
                        attachment.end()
                        return
                    await streams.drain()
            if execution.stdin and not execution.tty:
                streams.close_input()

        async def end() -> None:
            # Only when inspect knows the exit code may the client see the end.
            await execution.finished.wait()
            streams.disconnect()

        helpers = [asyncio.ensure_future(carry_input()), asyncio.ensure_future(end())]
        try:
            async for stream, data in attachment.output():
                raw.write(data if execution.tty else frame(stream, data))
                await raw.drain()
        finally:
            # Without its spectator the command goes on, and nobody's queue may stop it.
            streams.detach(attachment)
            for helper in helpers:
                helper.cancel()


def _complain(execution: Execution, raw: RawStream, message: str) -> None:
    """Say on the stream what can no longer be a status: upstream does it on stdout, as for a terminal."""
    text = f"{message}\r\n".encode()
    raw.write(text if execution.tty else frame(STDOUT, text))
