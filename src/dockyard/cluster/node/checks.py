"""What a probe or a hook does once: an HTTP request, a TCP connection, a command in the container."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from dockyard.cluster.node.prober import Answer
from dockyard.cluster.store import Manifest

MOST_REDIRECTS = 10
_MOST_BODY = 10 << 10
_REDIRECTS = (301, 302, 303, 307, 308)

Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Target(NamedTuple):
    """Where a check goes: `dial(port)` connects to the Pod, whose address texts show."""

    address: str
    dial: Dial


class Refused(Exception):
    """The connection failed; the text is Go's."""


def port_number(port: int | str, container: Manifest) -> int | None:
    """A probe's port as a number; a name is one of the container's ports. None when there is no such."""
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for candidate in container.get("ports", ()):
        if candidate.get("name") == port:
            return int(candidate["containerPort"])
    return None


async def check_tcp(target: Target, port: int) -> Answer:
    """Healthy when the port accepts a connection."""
    try:
        _, writer = await _connect(target, port)
    except Refused as error:
        return Answer(False, str(error))
    writer.close()
    return Answer(True)


async def check_http(target: Target, action: Manifest, port: int) -> Answer:
    """Healthy when a GET answers with a status from 200 to 399; redirects within the host are followed."""
    url = http_url(target, action, port)
    path = action.get("path") or "/"
    for _ in range(MOST_REDIRECTS + 1):
        try:
            status, location = await _get(target, action, port, path)
        except Refused as error:
            return Answer(False, f'Get "{url}": {error}')
        except (EOFError, ConnectionResetError):
            return Answer(False, f'Get "{url}": EOF')
        except ValueError as error:
            return Answer(False, f'Get "{url}": {error}')
        if status not in _REDIRECTS or not location:
            break
        there = urlsplit(location)
        if there.hostname not in (None, action.get("host") or target.address):
            return Answer(True)  # another host's health says nothing about this one
        path = (there.path or "/") + (f"?{there.query}" if there.query else "")
        port = there.port or port
    else:
        return Answer(False, f'Get "{location}": stopped after {MOST_REDIRECTS} redirects')
    if 200 <= status < 400:
        return Answer(True)
    return Answer(False, f"HTTP probe failed with statuscode: {status}")


def http_url(target: Target, action: Manifest, port: int) -> str:
    """The URL as Events show it."""
    scheme = (action.get("scheme") or "HTTP").lower()
    path = action.get("path") or "/"
    return f"{scheme}://{action.get('host') or target.address}:{port}{path if path[0] == '/' else '/' + path}"


async def _connect(target: Target, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await target.dial(port)
    except ConnectionRefusedError as error:
        where = f"dial tcp {target.address}:{port}"
        raise Refused(f"{where}: connect: connection refused") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refused(f"dial tcp {target.address}:{port}: connect: {reason}") from error


async def _get(target: Target, action: Manifest, port: int, path: str) -> tuple[int, str]:
    reader, writer = await _connect(target, port)
    try:
        if (action.get("scheme") or "HTTP").upper() == "HTTPS":
            context = ssl.create_default_context()
            # Like the kubelet: a probe asks whether the container answers, not who signed its certificate.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            await writer.start_tls(context, server_hostname=target.address)
        headers = {h["name"].title(): h["value"] for h in action.get("httpHeaders") or ()}
        headers.setdefault("Host", f"{action.get('host') or target.address}:{port}")
        headers.setdefault("User-Agent", "kube-probe/1.36")
        headers.setdefault("Accept", "*/*")
        headers["Connection"] = "close"
        lines = [f"GET {quote(path if path[0] == '/' else '/' + path, safe='/?&=%:@+,;~!$()*')} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        return await _read_head(reader)
    finally:
        writer.close()


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, str]:
    line = await reader.readline()
    if not line:
        raise EOFError
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
        shown = line.strip().decode("latin-1")
        raise ValueError(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{shown}"')
    location = ""
    while (header := await reader.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        if name.strip().lower() == "location":
            location = value.strip()
    return int(parts[1]), location
