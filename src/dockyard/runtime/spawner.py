"""The daemon's side of the parent: orders out, started, failed and exited back in."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dockyard.runtime import rights
from dockyard.runtime.plan import Plan

_PATIENCE = 0.8  # seconds for the parent to end everything (it takes 0.25 s and some)

logger = logging.getLogger(__name__)

Event = Callable[[dict[str, Any], list[int]], None]


class Spawner:
    """Runs one parent; `on_event` gets each of its messages with its descriptors, `on_death` its end."""

    def __init__(self, on_event: Event, on_death: Callable[[], None]) -> None:
        self._on_event = on_event
        self._on_death = on_death
        self._queue: collections.deque[tuple[dict[str, Any], list[int]]] = collections.deque()
        self._loop = asyncio.get_running_loop()
        self._dead: asyncio.Future[None] = self._loop.create_future()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        boot = Path(__file__).with_name("parent_boot.py")
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, "-I", "-S", str(boot), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket = ours
        self._loop.add_reader(ours, self._hear)

    @property
    def pid(self) -> int:
        """The parent's pid."""
        return self._parent.pid

    def order(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """Sends one order; `fds` may be closed as soon as this returns."""
        self._queue.append((message, [os.dup(fd) for fd in fds or []]))
        self._send()

    def start(self, plan: Plan, fds: list[int]) -> None:
        """Orders a process. The plan travels in a memfd: environments may be larger than a message."""
        memory = os.memfd_create("plan")
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(json.dumps(plan).encode())
            self.order({"do": "start"}, [memory, *fds])
        finally:
            os.close(memory)

    async def close(self) -> None:
        """Ends the parent and with it every container; returns when it is gone, whatever state it is in."""
        if not self._dead.done():
            self.order({"do": "close"})
            try:
                await asyncio.wait_for(asyncio.shield(self._dead), _PATIENCE)
            except TimeoutError:
                logger.warning("runtime: the parent did not end in %s s and is killed", _PATIENCE)
                self._parent.kill()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for _, fds in self._queue:
            _close_all(fds)
        self._queue.clear()
        await self._loop.run_in_executor(None, self._parent.wait)

    def _send(self) -> None:
        while self._queue:
            message, fds = self._queue[0]
            try:
                rights.send(self._socket, message, fds)
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._send)
                return
            except (BrokenPipeError, ConnectionResetError):
                pass  # the parent is dead, and _hear is about to learn it
            _close_all(fds)
            self._queue.popleft()
        self._loop.remove_writer(self._socket)

    def _hear(self) -> None:
        while True:
            try:
                received = rights.receive(self._socket)
            except BlockingIOError:
                return
            if received is None:
                self._loop.remove_reader(self._socket)
                self._dead.set_result(None)
                self._on_death()
                return
            message, fds = received
            self._on_event(message, fds)


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
