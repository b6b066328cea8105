"""A container's root file system as a descriptor: mounted nowhere, and gone when it is closed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from dockyard.runtime import rights
from dockyard.runtime.errors import RuntimeFailure
from dockyard.runtime.spec import Rootfs


async def open_to_read(rootfs: Rootfs, *, overlay: bool) -> int:
    """A directory's descriptor (O_PATH) of all that the container has in its root file system.

    It may run meanwhile. What is mounted into it is not seen. Raises RuntimeFailure.
    """
    if not overlay:
        return os.open(rootfs.merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # Below another one, the writable directory is one more layer: the container's own mount is left alone.
    layers = [*rootfs.layers, rootfs.upper]
    return await asyncio.to_thread(_order, _overlay(rootfs, layers, writable=False))


async def open_to_write(rootfs: Rootfs, *, overlay: bool, pid: int) -> int:
    """As `open_to_read`, to be written: of the running container whose first process is `pid`, or 0.

    It must not start while the descriptor is open. Raises RuntimeFailure.
    """
    if not overlay:
        return os.open(rootfs.merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    order = {"pid": pid} if pid else _overlay(rootfs, list(rootfs.layers), writable=True)
    return await asyncio.to_thread(_order, order)


def _overlay(rootfs: Rootfs, layers: list[Path], *, writable: bool) -> dict[str, Any]:
    return {
        "layers": [str(layer) for layer in layers],
        "upper": str(rootfs.upper) if writable else "",
        "work": str(rootfs.work) if writable else "",
        "merged": str(rootfs.merged),
    }


def _order(order: dict[str, Any]) -> int:
    # Another process, because only one without threads may change its namespaces.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    boot = Path(__file__).with_name("detached_boot.py")
    with ours, theirs:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(boot), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        try:
            rights.send(ours, order)
            received = rights.receive(ours)
        finally:
            child.wait()
    if received is None or received[0].get("error"):
        reason = received[0]["error"] if received else "its process ended"
        raise RuntimeFailure(f"the root file system could not be opened: {reason}")
    return received[1][0]
