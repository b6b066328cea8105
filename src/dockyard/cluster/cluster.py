"""One cluster: the control plane, and what acts on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dockyard.cluster import scheduler
from dockyard.cluster.apiservice import announce
from dockyard.cluster.controllers import discover
from dockyard.cluster.controllers.nodelifecycle import GRACE_ANNOTATION
from dockyard.cluster.controlplane import ControlPlane
from dockyard.cluster.dns import ClusterDns
from dockyard.cluster.manager import Manager
from dockyard.cluster.metrics.scraper import Scraper
from dockyard.cluster.networkpolicy import Enforcer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.node.hostpath import HostPaths, sweeper
from dockyard.cluster.node.registration import RUNTIME_VERSION
from dockyard.cluster.node.services import Node
from dockyard.cluster.podstate import is_true
from dockyard.cluster.proxy import Proxy
from dockyard.cluster.streams import NodeStreams
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import Clock
from dockyard.wire.http import Handler
from dockyard.wire.tls import Pki

# Differs: a node takes 400 Pods, so that three of them take a thousand; a kubelet takes 110 unless told.
OFFER = {"pods": "400"}
NODE_NAMES = ("dockyard-1", "dockyard-2", "dockyard-3")
# What keeps everybody off an added node who doesn't say that he means it.
ADDED = {"key": "dockyard.course/added", "effect": "NoSchedule"}


class Cluster:
    """A whole cluster in one process, on one event loop; two may live side by side."""

    def __init__(
        self, home: Path, runtime: Runtime, clock: Clock, *, nodes: Iterable[str] = NODE_NAMES
    ) -> None:
        """Open the cluster that lives in `home`, of nodes with these names. Raises StoreUnavailableError.

        Differs: the nodes are virtual. Each offers all that the machine has, so that together they promise
        more than there is, and a Pod on any of them is reached in the same way.
        """
        self._home = home
        root_ca = Pki(home / "pki", clock=clock).ca_certificate.read_text()
        self.runtime = runtime
        self.clock = clock
        self.control_plane = ControlPlane(home / "state.sqlite", clock, root_ca=root_ca)
        self.api = self.control_plane.api
        self.agents = {
            name: NodeAgent(Node(name, self.api, runtime, clock, home, offer=OFFER)) for name in nodes
        }
        self._added: set[str] = set()
        self._host_paths = HostPaths(home / "hostpath")
        self._proxy = Proxy(self.api, runtime.network, clock)
        self._dns = ClusterDns(self.api, runtime.network)
        self._scraper = Scraper(self.api, runtime)
        self._manager: Manager | None = None
        self.control_plane.server.node = NodeStreams(self.agents)

    @property
    def handler(self) -> Handler:
        """What answers requests of the Kubernetes API."""
        return self.control_plane.handler

    @property
    def node_ready(self) -> bool:
        """Whether a node is Ready and takes Pods."""
        return "Ready" in self.nodes.values()

    @property
    def nodes(self) -> dict[str, str]:
        """What each node is at: Ready, NotReady, or stopped by `stop_node`."""
        return {name: self._state(agent) for name, agent in self.agents.items()}

    def _state(self, agent: NodeAgent) -> str:
        if not agent.is_on:
            return "stopped"
        node = self.api.find("Node", agent.node.name)
        return "Ready" if self._manager is not None and node and is_true(node, "Ready") else "NotReady"

    async def start(self) -> None:
        """Begin to act on what is stored; the nodes are Ready when this returns."""
        self._remove_strange_nodes()
        for agent in self.agents.values():
            agent.start()
        self._manager = Manager(
            self.api,
            self.clock,
            [
                # First, so that a Pod sees a node uncordoned and still tainted, as upstream.
                scheduler.controller(self.api),
                *discover(self.api),
                *self.agents.values(),
                self._proxy.controller(),
                self._dns.controller(),
                sweeper(self.api, self._host_paths),
                Enforcer(self.api, self.runtime.network),
                self._scraper,
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

    async def stop_node(self, name: str, *, grace: float | None = None) -> None:
        """Take a node's power away: its Pods end, and nobody says so. Raises KeyError for an unknown one.

        After `grace` seconds of silence it counts as lost, until it is started again; None: after 50.
        """
        agent = self.agents[name]
        if grace is not None:
            noted = {"metadata": {"annotations": {GRACE_ANNOTATION: f"{grace:g}"}}}
            self.api.patch("Node", name, noted, "merge")
        await agent.power_off()

    def start_node(self, name: str) -> None:
        """Boot a stopped node: it becomes Ready, and the Pods that are still its own run again.

        Raises KeyError for an unknown one.
        """
        agent = self.agents[name]
        if self.api.find("Node", name) is not None:
            self.api.patch("Node", name, {"metadata": {"annotations": {GRACE_ANNOTATION: None}}}, "merge")
        agent.power_on()
        if self._manager is not None:
            for key in agent.existing():
                self._manager.enqueue(agent, key)

    def add_node(self, name: str, *, memory: str) -> None:
        """Add a node with so much memory of its own (`512Mi`), which its Pods may run short of.

        It has the taint ADDED, and is there until `remove_node`, or until the cluster stops. To add the same
        once more is harmless. Raises Invalid for a name that no node can have, ValueError for one that is
        taken, or before the cluster has started.
        """
        if name in self._added and self.agents[name].node.offer["memory"] == memory:
            return
        if name in self.agents or self.api.find("Node", name) is not None or self._manager is None:
            raise ValueError(f"there is a node {name} already")
        offer = {**OFFER, "memory": memory}
        node = Node(name, self.api, self.runtime, self.clock, self._home, offer=offer, taints=(ADDED,))
        agent = NodeAgent(node)
        agent.start()
        self.agents[name] = agent
        self._added.add(name)
        self._manager.add(agent)

    async def remove_node(self, name: str) -> None:
        """Remove a node that was added, and what runs there. Raises KeyError for any other name."""
        if name not in self._added:
            raise KeyError(name)
        self._added.remove(name)
        agent = self.agents.pop(name)
        if self._manager is not None:
            self._manager.remove(agent)
        await agent.scrap()
        if self.api.find("Node", name) is not None:
            self.api.delete("Node", name)

    def _remove_strange_nodes(self) -> None:
        """Remove nodes that we made under another configuration; a machine that never comes back."""
        for node in self.api.list("Node"):
            runtime = node.get("status", {}).get("nodeInfo", {}).get("containerRuntimeVersion")
            if runtime == RUNTIME_VERSION and node["metadata"]["name"] not in self.agents:
                self.api.delete("Node", node["metadata"]["name"])

    async def stop(self) -> None:
        """Stop acting and let go of the state file. Pods stay in it, and a later start runs them again."""
        if self._manager is not None:
            self._manager.stop()
            self._manager = None
        self._scraper.stop()
        await self._proxy.stop()
        for agent in self.agents.values():
            await agent.stop()
        self.control_plane.close()
