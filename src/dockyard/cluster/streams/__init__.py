"""What a kubelet serves through the API server: logs, exec, attach, port-forward and the proxy."""

from __future__ import annotations

from collections.abc import Mapping

from dockyard.cluster.errors import InternalError
from dockyard.cluster.http.nodes import Answer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.store import Manifest
from dockyard.cluster.streams import commands, httpproxy, podlogs, portforward
from dockyard.wire.http import Request

__all__ = ["NodeStreams"]


class NodeStreams:
    """The `NodeApi` of the nodes: each request goes to the agent of the Pod's node."""

    def __init__(self, agents: Mapping[str, NodeAgent]) -> None:
        self._agents = agents

    async def logs(self, request: Request, pod: Manifest) -> Answer:
        """GET .../log"""
        try:
            agent = self._reach(pod)
        except InternalError as error:
            raise InternalError(_log_failure(pod, request)) from error
        return podlogs.answer(agent, request, pod)

    async def exec(self, request: Request, pod: Manifest) -> Answer:
        """GET or POST .../exec, as a websocket."""
        return await commands.execute(self._reach(pod), request, pod)

    async def attach(self, request: Request, pod: Manifest) -> Answer:
        """GET or POST .../attach, as a websocket."""
        return await commands.attach(self._reach(pod), request, pod)

    async def port_forward(self, request: Request, pod: Manifest) -> Answer:
        """GET or POST .../portforward, as a websocket."""
        return await portforward.answer(self._reach(pod), request, pod)

    async def proxy(self, request: Request, obj: Manifest, port: str, path: str) -> Answer:
        """Any method on .../proxy/PATH."""
        return await httpproxy.answer(self._any, request, obj, port, path)

    @property
    def _any(self) -> NodeAgent:
        return next(iter(self._agents.values()))

    def _reach(self, pod: Manifest) -> NodeAgent:
        """The agent of the Pod's node; any for a Pod without one, which all refuse.

        Raises InternalError when there is nobody at the node's address.
        """
        name = pod["spec"].get("nodeName")
        if not name:
            return self._any
        agent = self._agents.get(name)
        if agent is None or not agent.is_on:
            raise InternalError(f"error dialing backend: {_refused(pod)}")
        return agent


def _refused(pod: Manifest) -> str:
    address = pod["status"].get("hostIP") or "127.0.0.1"
    return f"dial tcp {address}:10250: connect: connection refused"


def _log_failure(pod: Manifest, request: Request) -> str:
    metadata, address = pod["metadata"], pod["status"].get("hostIP") or "127.0.0.1"
    name = request.query.get("container") or pod["spec"]["containers"][0]["name"]
    path = f"containerLogs/{metadata['namespace']}/{metadata['name']}/{name}"
    return f'Get "https://{address}:10250/{path}": {_refused(pod)}'
