"""A whole cluster on the real runtime, with kubectl and the Python client in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.cluster import Cluster
from dockyard.runtime.errors import NoDriver
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock
from dockyard.wire.http import Server
from tests.cluster.conftest import Kubectl, LiveServer


class LiveCluster(LiveServer):
    """Runtime, control plane, controllers and node on a loop in a thread of its own."""

    async def _open(self) -> Any:
        home = self.directory
        self.runtime = await Runtime.open(home, clock=SystemClock())
        self.cluster = Cluster(home, self.runtime, SystemClock())
        await self.cluster.start()
        self._server = Server(self.cluster.handler)
        port = getattr(self, "port", 0)
        self.port = await self._server.listen_tcp("127.0.0.1", port, self.pki.server_context())
        return self.cluster.control_plane

    async def _stop(self) -> None:
        await self._server.close()
        await self.cluster.stop()
        await self.runtime.close()

    def reboot(self) -> None:
        """Stop everything and start it again on the same state, as a restart of the daemon does."""
        self.call(self._stop())
        self.plane = self.call(self._open())

    def close(self) -> None:
        self.call(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    try:
        made = LiveCluster(tmp_path_factory.mktemp("cluster"))
    except NoDriver as reason:
        pytest.skip(str(reason))
    if made.runtime.driver.traits.name == "none":
        made.close()
        pytest.skip("the driver `none` has no file systems, and these Pods mount volumes")
    yield made
    made.close()


@pytest.fixture(scope="module")
def kubectl(live: LiveCluster) -> Kubectl:
    return Kubectl(live.kubeconfig, live.directory / "cache")


@pytest.fixture
def manifests() -> Path:
    return Path(__file__).parent / "manifests"
