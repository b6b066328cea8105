"""`.../proxy/`: one HTTP request relayed to a Pod or to an endpoint of a Service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from dockyard.cluster.errors import BadRequest, ServiceUnavailable
from dockyard.cluster.http.nodes import Answer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.proxy import SERVICE_NAME, backends_of
from dockyard.cluster.store import Manifest
from dockyard.wire.http import Request, StreamResponse

_CHUNK = 65536
# What belongs to one connection and not to the message.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "authorization",
    "content-length",
}


async def answer(agent: NodeAgent, request: Request, obj: Manifest, port: str, path: str) -> Answer:
    """Relay the request and stream the answer. Raises BadRequest, ServiceUnavailable.

    Differs: an upgrade (a websocket through the proxy) is not relayed.
    """
    uid, number, host = _target(agent, obj, port)
    body = await request.body()
    try:
        reader, writer = await agent.node.runtime.network.dial(uid, number)
    except (OSError, LookupError) as error:
        reason = "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)
        raise ServiceUnavailable(
            f"error trying to reach service: dial tcp {host}:{number}: connect: {reason}"
        ) from error
    try:
        writer.write(_head(request, path, f"{host}:{number}", len(body)) + body)
        await writer.drain()
        status, headers = await _read_head(reader)
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        writer.close()
        raise ServiceUnavailable(f"error trying to reach service: {error or 'EOF'}") from error
    kept = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
    return StreamResponse(status, kept, _body(request, status, headers, reader, writer))


def _target(agent: NodeAgent, obj: Manifest, port: str) -> tuple[str, int, str]:
    """(Pod uid, port number, address)."""
    name = obj["metadata"]["name"]
    if obj["kind"] == "Pod":
        if not obj["status"].get("podIP"):
            raise BadRequest(f"address not allowed: pod {name} has no address")
        return obj["metadata"]["uid"], _pod_port(obj, port), obj["status"]["podIP"]
    ports = obj["spec"].get("ports", ())
    wanted = next(
        (p for p in ports if port in (p.get("name"), str(p["port"])) or (not port and len(ports) == 1)), None
    )
    if wanted is None:
        raise ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
    labels = {SERVICE_NAME: name}
    slices = agent.node.api.list("EndpointSlice", obj["metadata"]["namespace"], labels=labels)
    backends = [b for b in backends_of(slices, wanted.get("name", "")) if b.pod]
    if not backends:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    chosen = random.choice(backends)
    return chosen.pod, chosen.port, chosen.address


def _pod_port(pod: Manifest, port: str) -> int:
    if port.isdigit():
        return int(port)
    declared = [p for c in pod["spec"]["containers"] for p in c.get("ports", ())]
    for candidate in declared:
        if not port or candidate.get("name") == port:
            return int(candidate["containerPort"])
    if port:
        raise BadRequest(f'invalid port name "{port}"')
    return 80


def _head(request: Request, path: str, host: str, length: int) -> bytes:
    raw = request.raw_path
    marker = raw.find("/proxy")
    rest = raw[marker + len("/proxy") :] if marker >= 0 else path
    target = (rest if rest.startswith("/") else "/" + rest) + (
        f"?{request.query_string}" if request.query_string else ""
    )
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [
        f"{name}: {value}"
        for name, value in request.headers.items()
        if name.lower() not in _HOP_BY_HOP and name.lower() != "host"
    ]
    if length or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, list[tuple[str, str]]]:
    parts = (await reader.readuntil(b"\n")).split(None, 2)
    if len(parts) < 2 or not parts[1].isdigit():
        raise ValueError("malformed HTTP response")
    headers = []
    while (line := await reader.readuntil(b"\n")) not in (b"\r\n", b"\n"):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name.strip(), value.strip()))
    return int(parts[1]), headers


async def _body(
    request: Request,
    status: int,
    headers: list[tuple[str, str]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> AsyncIterator[bytes]:
    named = {name.lower(): value for name, value in headers}
    try:
        if request.method == "HEAD" or status in (204, 304):
            return
        if named.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await reader.readuntil(b"\n")).split(b";")[0], 16):
                yield await reader.readexactly(size)
                await reader.readexactly(2)
            return
        left = int(named["content-length"]) if "content-length" in named else None
        while left is None or left > 0:
            data = await reader.read(_CHUNK if left is None else min(_CHUNK, left))
            if not data:
                return
            left = None if left is None else left - len(data)
            yield data
    finally:
        writer.close()
