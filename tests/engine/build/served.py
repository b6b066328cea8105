"""A whole engine in a thread of its own, so that tests can be its clients."""

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import docker

from dockyard.engine.engine import Engine
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock
from dockyard.wire.http import Server


class Served:
    """Engine and docker SDK client. `close` ends both."""

    def __init__(self, home: Path, *, driver: str | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        # A path below pytest's may be too long for a socket.
        self._directory = tempfile.TemporaryDirectory(prefix="dy-")
        socket = Path(self._directory.name) / "docker.sock"
        try:
            self.runtime: Runtime = self.call(Runtime.open(home, clock=SystemClock(), driver=driver))
            self.engine = self.call(self._make_engine(home))
            self._server = Server(self.engine.handler)
            self.call(self._server.listen_unix(socket))
        except BaseException:
            self._end_loop()
            raise
        self.client = docker.DockerClient(base_url=f"unix://{socket}", timeout=60)

    async def _make_engine(self, home: Path) -> Engine:
        engine = Engine(home, self.runtime, SystemClock())
        await engine.start()
        return engine

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the engine's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self.client.close()
        self.call(self._server.close())
        self.call(self.engine.stop())
        self.call(self.runtime.close())
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._directory.cleanup()


async def once(data: bytes) -> AsyncIterator[bytes]:
    """A request's body in one piece."""
    yield data
