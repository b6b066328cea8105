"""Commands inside a container and lifecycle hooks: run to the end, with their output and their exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dockyard.cluster.node.checks import Refused, Target, check_http, check_tcp, port_number
from dockyard.cluster.node.launch import Prepared
from dockyard.cluster.node.ports import Runtime
from dockyard.cluster.store import Manifest
from dockyard.runtime.errors import RuntimeFailure
from dockyard.runtime.spec import ProcessSpec
from dockyard.wire.clock import Clock

_MOST_OUTPUT = 10 << 10
_KILL = 9


class HookError(Exception):
    """A lifecycle hook failed."""


def exec_spec(
    prepared: Prepared, argv: Sequence[str], *, tty: bool = False, stdin: bool = False
) -> ProcessSpec:
    """A further process of a container: its environment, directory and user, another command."""
    own = prepared.spec.process
    return ProcessSpec(tuple(argv), own.env, own.cwd, own.user, tty, stdin)


async def run_command(runtime: Runtime, prepared: Prepared, argv: Sequence[str]) -> tuple[int, str]:
    """(exit code, output of both streams, at most 10 KiB). A cancelled call kills the command.

    Raises RuntimeFailure when it can't be started.
    """
    output = bytearray()

    def keep(stream: int, data: bytes) -> None:
        if len(output) < _MOST_OUTPUT:
            output.extend(data)

    process = await runtime.exec(prepared.spec.id, exec_spec(prepared, argv))
    process.subscribe(keep)
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.signal(_KILL)
        raise
    return status.code, output[:_MOST_OUTPUT].decode(errors="replace")


async def run_hook(
    runtime: Runtime, clock: Clock, prepared: Prepared, hook: Manifest, container: Manifest, target: Target
) -> None:
    """Carry out a postStart or preStop handler. Raises HookError."""
    if "sleep" in hook:
        await clock.sleep(hook["sleep"]["seconds"])
    elif "exec" in hook:
        try:
            code, output = await run_command(runtime, prepared, hook["exec"]["command"])
        except RuntimeFailure as error:
            raise HookError(str(error)) from error
        if code != 0:
            raise HookError(f"command exited with {code}: {output}")
    else:
        action = hook.get("httpGet") or hook.get("tcpSocket") or {}
        port = port_number(action.get("port", 80), container)
        if port is None:
            raise HookError(f"couldn't find port: {action.get('port')}")
        try:
            answer = await (
                check_http(target, action, port) if "httpGet" in hook else check_tcp(target, port)
            )
        except Refused as error:
            raise HookError(str(error)) from error
        if not answer.healthy:
            raise HookError(answer.message)
