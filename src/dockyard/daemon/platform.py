"""The platform: which parts there are, in which order they start, and in which they stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any

from dockyard.daemon.control import ControlApi
from dockyard.home import Home
from dockyard.setup.stamp import write_atomically
from dockyard.version import VERSION
from dockyard.wire.clock import Clock, SystemClock
from dockyard.wire.http import Server

logger = logging.getLogger(__name__)


class Platform:
    """Everything that one home runs. `start` once, `stop` once, both on the same loop."""

    def __init__(self, home: Home, stop: asyncio.Event, *, driver: str | None = None) -> None:
        self.home = home
        self.clock: Clock = SystemClock()
        self._wanted_driver = driver
        self._control = Server(ControlApi(self, stop).handle, clock=self.clock)

    async def start(self) -> None:
        """Bring up every part; returns when the node is Ready. Raises UserError when one can't start."""
        await self._control.listen_unix(self.home.control_socket)
        write_atomically(self.home.state_file, json.dumps(self.describe(), indent=2) + "\n")
        logger.info("ready: pid %s, home %s", os.getpid(), self.home.root)

    async def stop(self) -> None:
        """Take every part down again, clients first; no process, mount or socket is left."""
        await self._control.close()

    def describe(self) -> dict[str, Any]:
        """What `status --json` shows."""
        return {
            "pid": os.getpid(),
            "backend": "embedded",
            "driver": None,
            "docker_host": self.home.docker_host,
            "kubeconfig": str(self.home.kubeconfig),
            "home": str(self.home.root),
            "version": VERSION,
            "node_ready": False,
        }
