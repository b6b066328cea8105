"""What a kubelet serves through the API server: logs, exec, attach, port-forward and the proxy."""

from __future__ import annotations

from dockyard.cluster.http.nodes import Answer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.store import Manifest
from dockyard.cluster.streams import commands, httpproxy, podlogs, portforward
from dockyard.wire.http import Request

__all__ = ["NodeStreams"]


class NodeStreams:
    """The `NodeApi` of one node agent."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    async def logs(self, request: Request, pod: Manifest) -> Answer:
        """GET .../log"""
        return podlogs.answer(self._agent, request, pod)

    async def exec(self, request: Request, pod: Manifest) -> Answer:
        """GET or POST .../exec, as a websocket."""
        return await commands.execute(self._agent, request, pod)

    async def attach(self, request: Request, pod: Manifest) -> Answer:
        """GET or POST .../attach, as a websocket."""
        return await commands.attach(self._agent, request, pod)

    async def port_forward(self, request: Request, pod: Manifest) -> Answer:
        """GET or POST .../portforward, as a websocket."""
        return await portforward.answer(self._agent, request, pod)

    async def proxy(self, request: Request, obj: Manifest, port: str, path: str) -> Answer:
        """Any method on .../proxy/PATH."""
        return await httpproxy.answer(self._agent, request, obj, port, path)
