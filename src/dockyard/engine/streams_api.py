"""Endpoints that carry a container's output and input: attach and logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Conflict, EngineError, NotSupported
from dockyard.engine.frames import RAW, content_type, frame
from dockyard.engine.lines import Line, Messages
from dockyard.engine.parameters import flag, timestamp
from dockyard.engine.routes import Routes
from dockyard.engine.streams import Attachment
from dockyard.engine.versions import HEADERS, split_version
from dockyard.wire.http import (
    ClientDisconnectedError,
    RawStream,
    Request,
    Response,
    StreamResponse,
)

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine
    from dockyard.wire.clock import Clock

DETACH_KEYS = "ctrl-p,ctrl-q"
HEAD_SECONDS = 0.5
"""The longest time that a client is given to read the head of a stream."""


def routes(engine: Engine) -> Routes:
    api = StreamsApi(engine)
    yield "POST", "/containers/{id}/attach", api.attach
    yield "GET", "/containers/{id}/attach/ws", api.attach_by_websocket
    yield "GET", "/containers/{id}/logs", api.logs


async def take_over(request: Request, media: str, clock: Clock) -> RawStream:
    """Hijack a connection the way the client asked for: with an upgrade, or without.

    Returns when the client has read the head: docker-py loses what it reads along with it, which upstream is
    too slow to cause.
    """
    version = HEADERS if "upgrade" in request.headers.tokens("connection") else ()
    if "tcp" in request.headers.tokens("upgrade"):
        raw = await request.hijack(
            101,
            [("Content-Type", media), ("Connection", "Upgrade"), ("Upgrade", "tcp"), *version],
            "UPGRADED",
        )
    else:
        raw = await request.hijack(200, [("Content-Type", media)])
    end = clock.monotonic() + HEAD_SECONDS
    while raw.unread() and clock.monotonic() < end:
        await clock.sleep(0.001)
    return raw


class StreamsApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def attach(self, request: Request) -> Response | None:
        try:
            container, keys = self._asked(request)
        except EngineError as error:
            # Upstream answers attach in plain text, as the connection would already be a stream.
            headers = [("Content-Type", RAW)]
            return Response(error.status, headers, f"{error.message}\r\n".encode())

        async def take() -> Line:
            media = content_type(container.tty, split_version(request.path)[0])
            return await take_over(request, media, self._engine.clock)

        await self._attach(request, container, take, keys=keys, framed=not container.tty)
        return None

    async def attach_by_websocket(self, request: Request) -> None:
        container, keys = self._asked(request)

        async def take() -> Line:
            return Messages(await request.websocket())

        # All streams in one, as upstream has it here.
        await self._attach(request, container, take, keys=keys, framed=False)

    def _asked(self, request: Request) -> tuple[Container, bytes]:
        keys = detach_sequence(request.query.get("detachKeys") or DETACH_KEYS)
        container = self._engine.registry.get(request.path_parameters["id"])
        if container.status in ("paused", "restarting"):
            what = "unpause the container before attach"
            if container.status == "restarting":
                what = "wait until the container is running"
            raise Conflict(f"container {container.id} is {container.status}, {what}")
        return container, keys

    async def _attach(
        self,
        request: Request,
        container: Container,
        take: Callable[[], Awaitable[Line]],
        *,
        keys: bytes,
        framed: bool,
    ) -> None:
        stdout, stderr = flag(request, "stdout"), flag(request, "stderr")
        stream, past = flag(request, "stream"), flag(request, "logs")
        # Listening begins before the answer: what a start prints after it is not missed.
        attachment = container.streams.attach(stdout=stdout, stderr=stderr) if stream else None
        try:
            line = await take()
            self._engine.events.publish("container", "attach", container.id, container.event_attributes())
            if past:
                log = self._engine.launcher.log(container)
                async for number, data in log.read(stdout=stdout, stderr=stderr):
                    line.write(frame(number, data) if framed else data)
                    await line.drain()
            if attachment is not None:
                stdin = flag(request, "stdin") and container.config["OpenStdin"]
                used = keys if container.tty else b""
                await self._carry(container, attachment, line, stdin=stdin, keys=used, framed=framed)
        except ClientDisconnectedError:
            pass  # the container goes on without its spectator
        finally:
            if attachment is not None:
                container.streams.detach(attachment)

    async def _carry(
        self,
        container: Container,
        attachment: Attachment,
        line: Line,
        *,
        stdin: bool,
        keys: bytes,
        framed: bool,
    ) -> None:
        source = asyncio.ensure_future(self._carry_input(container, attachment, line, stdin=stdin, keys=keys))
        try:
            async with aclosing(attachment.output()) as output:
                async for stream, data in output:
                    line.write(frame(stream, data) if framed else data)
                    await line.drain()
        finally:
            source.cancel()

    async def _carry_input(
        self, container: Container, attachment: Attachment, line: Line, *, stdin: bool, keys: bytes
    ) -> None:
        detector = DetachDetector(keys)
        while data := await line.read():
            if not stdin:
                continue
            data, detached = detector.feed(data)
            container.streams.write(data)
            if detached:
                self._engine.events.publish("container", "detach", container.id, container.event_attributes())
                attachment.end()
                return
            await container.streams.drain()
        if stdin and container.config["StdinOnce"] and not container.tty:
            container.streams.close_input()
        if not stdin or line.closed:
            # Nobody is there any more to read what would come.
            await line.wait_closed()
            attachment.end()

    async def logs(self, request: Request) -> StreamResponse:
        stdout, stderr = flag(request, "stdout"), flag(request, "stderr")
        if not (stdout or stderr):
            raise BadParameter("Bad parameters: you must choose at least one stream")
        container = self._engine.registry.get(request.path_parameters["id"])
        since, until = timestamp(request, "since"), timestamp(request, "until")
        if container.host_config["LogConfig"]["Type"] == "none":
            raise NotSupported("configured logging driver does not support reading")
        tail = request.query.get("tail")
        log = self._engine.launcher.log(container)
        source = log.read(
            stdout=stdout,
            stderr=stderr,
            since=since,
            until=until,
            tail=int(tail) if tail.isdigit() else None,
            timestamps=flag(request, "timestamps"),
            details=flag(request, "details"),
            follow=flag(request, "follow"),
        )

        async def pieces() -> AsyncIterator[bytes]:
            async with aclosing(source) as lines:
                async for stream, data in lines:
                    yield data if container.tty else frame(stream, data)

        media = content_type(container.tty, split_version(request.path)[0])
        return StreamResponse(200, [("Content-Type", media)], pieces())


class DetachDetector:
    """Finds the key sequence with which a terminal leaves its container to itself."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._seen = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what is to be passed on, and whether the sequence is complete."""
        if not self._keys:
            return data, False
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._seen]:
                self._seen += 1
                if self._seen == len(self._keys):
                    return bytes(passed), True
                continue
            passed += self._keys[: self._seen]
            self._seen = 1 if byte == self._keys[0] else 0
            if not self._seen:
                passed.append(byte)
        return bytes(passed), False


def detach_sequence(text: str) -> bytes:
    """Return the bytes of `ctrl-p,ctrl-q`.

    Raises:
        BadParameter: a key that has no byte.
    """
    result = bytearray()
    for key in text.split(","):
        if len(key) == 1:
            result += key.encode()
            continue
        letter = key.removeprefix("ctrl-")
        if (
            not key.startswith("ctrl-")
            or len(letter) != 1
            or not ("a" <= letter <= "z" or letter in "@[\\]^_")
        ):
            raise BadParameter(f'invalid detach keys ({text}): Unknown character: "{key}"')
        result.append(ord(letter.upper()) - 64)
    return bytes(result)
