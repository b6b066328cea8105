"""One cluster: the control plane, and what acts on it."""

from __future__ import annotations

from pathlib import Path

from dockyard.cluster import scheduler
from dockyard.cluster.apiservice import announce
from dockyard.cluster.controllers import discover
from dockyard.cluster.controlplane import ControlPlane
from dockyard.cluster.dns import ClusterDns
from dockyard.cluster.manager import Manager
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.node.services import Node
from dockyard.cluster.podstate import is_true
from dockyard.cluster.proxy import Proxy
from dockyard.cluster.streams import NodeStreams
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import Clock
from dockyard.wire.http import Handler
from dockyard.wire.tls import Pki

NODE_NAME = "dockyard"


class Cluster:
    """A whole cluster in one process, on one event loop; two may live side by side."""

    def __init__(self, home: Path, runtime: Runtime, clock: Clock) -> None:
        """Open the cluster that lives in `home`. Raises StoreUnavailableError."""
        root_ca = Pki(home / "pki", clock=clock).ca_certificate.read_text()
        self.runtime = runtime
        self.clock = clock
        self.control_plane = ControlPlane(home / "state.sqlite", clock, root_ca=root_ca)
        self.api = self.control_plane.api
        self._agent = NodeAgent(Node(NODE_NAME, self.api, runtime, clock, home))
        self._proxy = Proxy(self.api, runtime.network, clock)
        self._dns = ClusterDns(self.api, runtime.network)
        self._manager: Manager | None = None
        self.control_plane.server.node = NodeStreams(self._agent)

    @property
    def handler(self) -> Handler:
        """What answers requests of the Kubernetes API."""
        return self.control_plane.handler

    @property
    def node_ready(self) -> bool:
        """Whether the node is Ready and takes Pods."""
        node = self.api.find("Node", NODE_NAME)
        return self._manager is not None and node is not None and is_true(node, "Ready")

    async def start(self) -> None:
        """Begin to act on what is stored; the node is Ready when this returns."""
        self._agent.start()
        self._manager = Manager(
            self.api,
            self.clock,
            [
                *discover(self.api),
                scheduler.controller(self.api),
                self._agent,
                self._proxy.controller(),
                self._dns.controller(),
            ],
        )
        self._manager.settle()
        self._manager.run()

    def announce(self, port: int) -> None:
        """Let Pods reach the API server on the machine's 127.0.0.1 as `kubernetes.default`."""
        announce(self.api, "127.0.0.1", port)

    def set_cut(self, namespace: str, selector: str, *, cut: bool) -> list[str]:
        """Cut the Pods that match a label selector off the network, or restore them; returns their names."""
        pods = self.api.list("Pod", namespace, labels=selector)
        uids = [pod["metadata"]["uid"] for pod in pods]
        (self.runtime.network.cut if cut else self.runtime.network.restore)(uids)
        return [pod["metadata"]["name"] for pod in pods]

    async def stop(self) -> None:
        """Stop acting and let go of the state file. Pods stay in it, and a later start runs them again."""
        if self._manager is not None:
            self._manager.stop()
            self._manager = None
        await self._proxy.stop()
        await self._agent.stop()
        self.control_plane.close()
