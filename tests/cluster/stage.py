"""A whole fake cluster behind real TLS, whose clock runs while kubectl does: for sessions of commands.

A cluster with controllers and nodes acts on its own; here it does so in its own time, which a test moves on
between commands and which runs fast while one is waiting, so that nobody sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from dockyard.cluster.http.server import ApiServer
from dockyard.cluster.streams import NodeStreams
from dockyard.wire.clock import FakeClock
from dockyard.wire.http import Server
from dockyard.wire.tls import Pki
from tests.cluster.conftest import KUBECTL, kubeconfig_text
from tests.cluster.harness import FakeCluster

_STEP = 0.05  # seconds of the cluster's time, each
_PAUSE = 0.02  # of ours
_WAITING = (" rollout status ", " wait ", " delete ")


class Stage:
    """A cluster on a loop in a thread of its own; `run` is kubectl."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pki = Pki(directory / "pki")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._turn = asyncio.Lock()
        self.cluster: FakeCluster = self.call(self._open())
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(
            kubeconfig_text(self.pki, self.port, "admin", "kubernetes-admin", ["system:masters"])
        )

    async def _open(self) -> FakeCluster:
        # kubectl has the machine's clock and prints ages by it.
        cluster = await FakeCluster(self.directory / "node", clock=FakeClock(time.time())).start()
        self.server = ApiServer(cluster.api, NodeStreams(cluster.agents))
        self._server = Server(self.server.handle)
        self.port = await self._server.listen_tcp("127.0.0.1", 0, self.pki.server_context())
        return cluster

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the cluster's loop and return its result."""
        result: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return result.result(60)

    def advance_to(self, moment: float) -> None:
        """Let the cluster's time pass until its monotonic clock shows `moment`, if it doesn't yet."""
        self.call(self.advance(moment - self.cluster.clock.monotonic()))

    async def advance(self, seconds: float) -> None:
        """Let the cluster's time pass at once."""
        async with self._turn:
            await self.cluster.advance(max(0.0, seconds))

    async def _tick(self, step: float) -> None:
        while True:
            await self.advance(step)
            await asyncio.sleep(_PAUSE)

    def run(self, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command line in which `kubectl` is ours.

        The cluster's clock runs for commands that wait for something and stands still for all others, whose
        output must not depend on how fast this machine is.
        """
        step = _STEP if any(word in command for word in _WAITING) else 0.0
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.directory / "cache"),
            "HOME": str(self.directory),
            "TMPDIR": "/tmp",
        }
        ticking = asyncio.run_coroutine_threadsafe(self._tick(step), self._loop)
        try:
            return subprocess.run(
                ["bash", "-c", command.replace("kubectl", str(KUBECTL), 1)],
                input=stdin,
                capture_output=True,
                text=True,
                env=environment,
                timeout=90,
                check=False,
            )
        finally:
            ticking.cancel()

    async def _close(self) -> None:
        await self._server.close()
        async with self._turn:
            await self.cluster.stop()

    def close(self) -> None:
        self.call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        with contextlib.suppress(RuntimeError):
            self._loop.close()
