"""An engine in a process of its own: the program, and the class with which tests run it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from dockyard.engine.engine import Engine
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock
from dockyard.wire.http import Server


async def serve(home: Path, socket: str) -> None:
    """Serve an engine until SIGTERM.

    DOCKYARD_TEST_DRIVER names the driver, where it should not be the best one here.
    """
    clock = SystemClock()
    runtime = await Runtime.open(home, clock=clock, driver=os.environ.get("DOCKYARD_TEST_DRIVER"))
    engine = Engine(home, runtime, clock)
    await engine.start()
    server = Server(engine.handler)
    await server.listen_unix(socket)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    await ended.wait()
    await server.close()
    await engine.stop()
    await runtime.close()


class EngineProcess:
    """Runs `serve` on one home, again and again if need be."""

    def __init__(self, home: Path) -> None:
        # A path below pytest's may be too long for a socket.
        self._directory = tempfile.TemporaryDirectory(prefix="dy-")
        self.socket = f"{self._directory.name}/docker.sock"
        self.url = f"unix://{self.socket}"
        self._home = home
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.serving", str(self._home), self.socket],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    @property
    def pid(self) -> int:
        """Its process; raises AssertionError when it does not run."""
        assert self._process is not None
        return self._process.pid

    def wait(self) -> None:
        """Return when it has ended, whoever did it."""
        assert self._process is not None
        self._process.communicate(timeout=30)
        self._process = None

    def stop(self) -> None:
        """End it in peace."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.communicate(timeout=30)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._directory.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
