"""A whole cluster on a fake clock: store, controllers, scheduler, node agent, and the runtime of fakes.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dockyard.cluster import scheduler
from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.controllers import discover
from dockyard.cluster.dns import ClusterDns
from dockyard.cluster.manager import Manager
from dockyard.cluster.metrics.scraper import Scraper
from dockyard.cluster.networkpolicy import Enforcer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.node.hostpath import sweeper
from dockyard.cluster.node.services import Node
from dockyard.cluster.proxy import Proxy
from dockyard.cluster.store import Event, Store
from dockyard.wire.clock import FakeClock
from tests.cluster.fakes import FakeRuntime

Manifest = dict[str, Any]


async def inline(function: Any, *arguments: Any) -> Any:
    """Instead of a thread: the fake clock must not race with one."""
    return function(*arguments)


class FakeCluster:
    """Use `start`, then `api`, then `settle` or `advance`; `timeline` has every event since."""

    def __init__(
        self,
        root: Path,
        *,
        state: Path | None = None,
        clock: FakeClock | None = None,
        nodes: Sequence[str] = ("dockyard",),
        offer: Mapping[str, str] | None = None,
    ) -> None:
        """`nodes` are their names; each offers what the machine has, but for `offer` (`{"cpu": "2"}`)."""
        self.clock = clock or FakeClock()
        self.api = Api(Store(state), self.clock)
        bootstrap(self.api)
        self.runtime = FakeRuntime(self.clock)
        self.agents = {
            name: NodeAgent(
                Node(name, self.api, self.runtime, self.clock, root, in_thread=inline, offer=offer or {})
            )
            for name in nodes
        }
        self.agent = self.agents[nodes[0]]
        self.node = self.agent.node
        self.proxy = Proxy(self.api, self.runtime.network, self.clock)
        self.dns = ClusterDns(self.api, self.runtime.network)
        self.timeline: list[Event] = []
        self.manager: Manager

    async def start(self) -> FakeCluster:
        """Register the node and bring the controllers up."""
        self.api.subscribe(self.timeline.append)
        for agent in self.agents.values():
            agent.start()
        controllers = [
            # First, so that a Pod sees a node uncordoned and still tainted, as upstream.
            scheduler.controller(self.api),
            *discover(self.api),
            *self.agents.values(),
            self.proxy.controller(),
            self.dns.controller(),
            sweeper(self.api, self.node.host_paths),
            Enforcer(self.api, self.runtime.network),
            Scraper(self.api, self.runtime),
        ]
        self.manager = Manager(self.api, self.clock, controllers)
        await self.settle()
        return self

    async def stop(self) -> None:
        self.manager.stop()
        for agent in self.agents.values():
            await agent.stop()
        await self.proxy.stop()
        self.api.store.close()

    async def stop_node(self, name: str) -> None:
        """Take the node's power away."""
        await self.agents[name].power_off()
        await self.settle()

    async def start_node(self, name: str) -> None:
        """Boot it again."""
        agent = self.agents[name]
        agent.power_on()
        for key in agent.existing():
            self.manager.enqueue(agent, key)
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that is due now."""
        quiet = 0
        while quiet < 12:
            quiet = 0 if self.manager.settle() else quiet + 1
            await asyncio.sleep(0)
            due = self.clock.next_due()
            if due is not None and due <= 0:
                self.clock.advance(0)
                quiet = 0

    async def advance(self, seconds: float) -> None:
        """Let time pass, and at each moment everything that is due."""
        end = self.clock.monotonic() + seconds
        await self.settle()
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.advance(due)
            await self.settle()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
        await self.settle()

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Settle until `condition` holds; for what waits for the real world, such as a refused connection."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self.settle()
                await asyncio.sleep(0.01)

    def pods(self, namespace: str = "default") -> list[Manifest]:
        return self.api.list("Pod", namespace)

    def pod(self, name: str) -> Manifest:
        return self.api.get("Pod", name, "default")

    def events(self, name: str | None = None) -> list[tuple[str, str]]:
        """(reason, message) of the Events, oldest first; of one object when named."""
        found = []
        for event in self.timeline:
            if event.kind == "Event" and event.type == "ADDED":
                obj = event.object
                if name is None or obj["involvedObject"]["name"] == name:
                    found.append((obj["reason"], obj["message"]))
        return found

    def history(self, kind: str, name: str) -> list[Manifest]:
        """Every version of an object since the start."""
        return [e.object for e in self.timeline if e.kind == kind and e.name == name]


def deployment(name: str = "web", replicas: int = 3, **spec: Any) -> Manifest:
    """A small Deployment; `container` overrides fields of its container."""
    container = {"name": "app", "image": "app:v1", "command": ["serve"]} | spec.pop("container", {})
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container]} | spec.pop("pod_spec", {}),
    }
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
        | spec,
    }


def pod(name: str, *, spec: Manifest | None = None, **container: Any) -> Manifest:
    """A small Pod of one container `main`."""
    main = {"name": "main", "image": "app:v1", "command": ["serve"]} | container
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [main]} | (spec or {})}
