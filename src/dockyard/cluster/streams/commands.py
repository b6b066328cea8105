"""`kubectl exec` and `kubectl attach`: a process's streams on a websocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from dockyard.cluster.errors import BadRequest
from dockyard.cluster.http.nodes import Answer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.node.commands import exec_spec
from dockyard.cluster.node.ports import Process
from dockyard.cluster.store import Manifest
from dockyard.cluster.streams.channels import STDERR, STDOUT, Channels
from dockyard.cluster.streams.containers import choose, running, upgrade_failed
from dockyard.runtime.errors import RuntimeFailure
from dockyard.wire.http import ClientDisconnectedError, Request

_SUCCESS: Manifest = {"metadata": {}, "status": "Success"}
_HANGUP = 1
_LAST_MOMENT = 0.1


async def execute(agent: NodeAgent, request: Request, pod: Manifest) -> Answer:
    """Run a command in a container. Raises BadRequest and InternalError before the stream begins."""
    query = request.query
    command = query.getlist("command")
    if not command:
        raise BadRequest("you must specify at least one command for the container")
    _, prepared = running(agent, pod, choose(pod, query.get("container")))
    tty, stdin = _flag(request, "tty"), _flag(request, "stdin")
    channels = await Channels.accept(request)
    channels.send(STDOUT, b"")  # as the kubelet: shows the client that the stream stands
    try:
        process = await agent.node.runtime.exec(
            prepared.spec.id, exec_spec(prepared, command, tty=tty, stdin=stdin)
        )
    except RuntimeFailure as error:
        channels.finish(_not_started(prepared.spec.id, str(error)))
        await _quietly(channels)
        return None
    await _converse(request, channels, process, own=True, stdin=stdin)
    return None


async def attach(agent: NodeAgent, request: Request, pod: Manifest) -> Answer:
    """Join the streams of a container's own process."""
    name = choose(pod, request.query.get("container"))
    container, _ = running(agent, pod, name)
    process = container.process
    assert process is not None
    stdin = _flag(request, "stdin") and bool(container.spec.get("stdin"))
    heard: list[tuple[int, bytes]] = []
    unsubscribe = process.subscribe(lambda stream, data: heard.append((stream, data)))
    try:
        # Who joins a program that is about to end has missed what it said; told so, kubectl reads the log.
        if await _ends_within(process, _LAST_MOMENT):
            raise upgrade_failed(f'container not found ("{name}")')
        channels = await Channels.accept(request)
    finally:
        unsubscribe()
    await _converse(request, channels, process, own=False, stdin=stdin, heard=heard)
    return None


async def _ends_within(process: Process, seconds: float) -> bool:
    ending = asyncio.ensure_future(process.wait())
    try:
        done, _ = await asyncio.wait({ending}, timeout=seconds)
        return bool(done)
    finally:
        ending.cancel()


def _flag(request: Request, name: str) -> bool:
    return (request.query.get(name) or "").lower() in ("true", "1", "t")


async def _converse(
    request: Request,
    channels: Channels,
    process: Process,
    *,
    own: bool,
    stdin: bool,
    heard: Iterable[tuple[int, bytes]] = (),
) -> None:
    """Move bytes both ways until the process ends or the client goes away; an own process then ends too.

    `heard` is what it said before, after the client had come.
    """
    wanted = {1: STDOUT} if _flag(request, "stdout") else {}
    if _flag(request, "stderr"):
        wanted[2] = STDERR

    def forward(stream: int, data: bytes) -> None:
        if data and stream in wanted:
            channels.send(wanted[stream], data)

    ignore: Callable[..., None] = lambda *_: None  # noqa: E731 - a name for "not wanted"
    unsubscribe = process.subscribe(forward)
    for stream, data in heard:
        forward(stream, data)
    listening = asyncio.ensure_future(
        channels.listen(
            process.write_stdin if stdin else ignore,
            process.close_stdin if stdin else ignore,
            process.resize,
        )
    )
    sending = asyncio.ensure_future(_quietly(channels))
    ending = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({listening, ending, sending}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            channels.finish(_outcome(ending.result().code) if own else _SUCCESS)
            await sending
        elif own:
            # Differs: the client is gone, so its command goes too; upstream lets it run on.
            process.signal(_HANGUP)
    finally:
        unsubscribe()
        for task in (listening, sending, ending):
            task.cancel()


async def _quietly(channels: Channels) -> None:
    try:
        await channels.pump()
    except ClientDisconnectedError:
        return


def _outcome(code: int) -> Manifest:
    if code == 0:
        return _SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(container_id: str, why: str) -> Manifest:
    cause = (
        "error executing command in container: failed to exec in container: "
        f'failed to start exec "{container_id}": OCI runtime exec failed: exec failed: '
        f"unable to start container process: {why}"
    )
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: Internal error occurred: {cause}",
        "reason": "InternalError",
        "details": {"causes": [{"message": cause}]},
        "code": 500,
    }
