"""The seam to the node agent: what the API server passes on to where the containers are."""

from __future__ import annotations

from typing import Any, Protocol

from dockyard.wire.http import Request, Response, StreamResponse

Manifest = dict[str, Any]
Answer = Response | StreamResponse | None


class NodeApi(Protocol):
    """Handlers of the Pod subresources that need its containers.

    Each gets the request and the stored Pod (or Service), reads its own query parameters, and answers or
    takes the connection over (None). It may raise `cluster.errors`, which the server renders.
    """

    async def logs(self, request: Request, pod: Manifest) -> Answer: ...

    async def exec(self, request: Request, pod: Manifest) -> Answer: ...

    async def attach(self, request: Request, pod: Manifest) -> Answer: ...

    async def port_forward(self, request: Request, pod: Manifest) -> Answer: ...

    async def proxy(self, request: Request, obj: Manifest, port: str, path: str) -> Answer:
        """Relay to a Pod or Service; `port` is a number, a name or empty, `path` what follows `/proxy/`."""
