"""One API server for each test module, over real TLS, and kubectl and the Python client in front of it."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.controlplane import ControlPlane
from dockyard.wire.clock import SystemClock
from dockyard.wire.http import Server
from dockyard.wire.tls import Pki

KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"


@dataclass
class Kubectl:
    """kubectl against one server, with a cache of its own."""

    kubeconfig: Path
    cache: Path
    namespace: str = "default"
    program: Path = KUBECTL

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl, and whoever reads a kubeconfig like it, is started with."""
        return {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.cache),
            "HOME": str(self.cache),
        }

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl and return what it printed, whatever its exit code."""
        argv = [str(self.program), "-n", self.namespace, *arguments]
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, env=self.environment, timeout=60, check=False
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return its output; any failure fails the test."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


def kubeconfig_text(pki: Pki, port: int, name: str, user: str, groups: list[str]) -> str:
    """A kubeconfig for a user with a certificate, of the server on a port of this machine."""
    pair = pki.client(name, user, groups)

    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        "contexts: [{name: x, context: {cluster: x, user: x}}]\n"
        f"clusters: [{{name: x, cluster: {{server: 'https://127.0.0.1:{port}', "
        f"certificate-authority-data: {encoded(pki.ca_certificate)}}}}}]\n"
        f"users: [{{name: x, user: {{client-certificate-data: {encoded(pair.certificate)}, "
        f"client-key-data: {encoded(pair.key)}}}}}]\n"
    )


class LiveServer:
    """An API server on a loop in a thread of its own, so that synchronous clients can talk to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pki = Pki(directory / "pki")
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.plane: ControlPlane = self.call(self._open())
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(self._kubeconfig("admin", "kubernetes-admin", ["system:masters"]))

    async def _open(self) -> ControlPlane:
        plane = ControlPlane(
            self.directory / "state.sqlite", SystemClock(), root_ca=self.pki.ca_certificate.read_text()
        )
        self.resting = len(plane.store._subscribers)  # without any watch: the cluster's own
        self._server = Server(plane.handler)
        self.port = await self._server.listen_tcp("127.0.0.1", 0, self.pki.server_context())
        return plane

    def call(self, work: Any) -> Any:
        """Run a coroutine on the server's loop and return its result."""
        result: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return result.result(30)

    def do(self, function: Any, *arguments: Any, **named: Any) -> Any:
        """Call one of the API's verbs on the server's loop, as a controller would."""

        async def inside() -> Any:
            return function(*arguments, **named)

        return self.call(inside())

    def _kubeconfig(self, name: str, user: str, groups: list[str]) -> str:
        return kubeconfig_text(self.pki, self.port, name, user, groups)

    def close(self) -> None:
        self.call(self._server.close())
        self.do(self.plane.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("apiserver"))
    yield live
    live.close()


@pytest.fixture(scope="module")
def kubectl(server: LiveServer) -> Kubectl:
    return Kubectl(server.kubeconfig, server.directory / "cache")


@pytest.fixture(scope="module")
def api_client(server: LiveServer) -> Iterator[Any]:
    """The official Python client's ApiClient."""
    from kubernetes import client, config

    settings = client.Configuration()
    config.load_kube_config(str(server.kubeconfig), client_configuration=settings)
    with client.ApiClient(settings) as made:
        yield made
