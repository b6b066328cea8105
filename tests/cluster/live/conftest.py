"""A whole cluster on the real runtime, or with --kubeconfig any other; kubectl in front of it."""

from __future__ import annotations

import asyncio
import secrets
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
from tests.deadline import eventually


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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker("embedded")
    if marker is not None and item.config.getoption("--kubeconfig"):
        pytest.skip(f"on another cluster: {marker.args[0]}")


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    """Our own cluster; whoever asks for it looks inside, or at the machine that it runs on."""
    if request.config.getoption("--kubeconfig"):
        pytest.skip("on another cluster: it looks inside our own")
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
def inside(request: pytest.FixtureRequest) -> LiveCluster | None:
    """Our own cluster, for a second look at what kubectl shows; None with --kubeconfig."""
    if request.config.getoption("--kubeconfig"):
        return None
    found: LiveCluster = request.getfixturevalue("live")
    return found


@pytest.fixture(scope="module")
def kubectl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """kubectl on our own cluster's namespace `default`, or on the named cluster in a namespace of its own."""
    named = request.config.getoption("--kubeconfig")
    if not named:
        live = request.getfixturevalue("live")
        yield Kubectl(live.kubeconfig, live.directory / "cache")
        return
    directory = tmp_path_factory.mktemp("kubectl")
    namespace = f"dockyard-tests-{secrets.token_hex(4)}"
    theirs = Kubectl(Path(named), directory / "cache")
    copy = directory / "kubeconfig"
    copy.write_text(theirs("config", "view", "--minify", "--flatten", "--raw"))
    found = Kubectl(copy, directory / "cache", namespace)
    found("config", "set-context", "--current", f"--namespace={namespace}")
    found("create", "namespace", namespace)
    try:
        eventually(
            lambda: found.run("get", "serviceaccount", "default").returncode == 0, "Pods can be created"
        )
        yield found
    finally:
        found("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def manifests() -> Path:
    return Path(__file__).parent / "manifests"
