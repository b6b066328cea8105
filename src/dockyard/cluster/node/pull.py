"""Getting a container's image, by its pull policy, with the kubelet's Events and the runtime's errors."""

from __future__ import annotations

import asyncio
import socket

from dockyard.runtime.references import familiar

_CONNECT_SECONDS = 5.0


class PullError(Exception):
    """There is no such image; `reason` is the container's waiting reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def full_reference(image: str) -> str:
    """The reference with registry and tag: `python:3.12-slim` is `docker.io/library/python:3.12-slim`."""
    if image.startswith("sha256:"):
        return image
    name = familiar(image)
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


async def explain_absence(image: str) -> PullError:
    """Why the image can't be pulled: the registry is asked for a connection, and its answer is reported.

    Differs: nothing is downloaded; images come from builds on this machine and from the stand-ins.
    """
    reference = full_reference(image)
    registry, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    host = "registry-1.docker.io" if registry == "docker.io" else registry
    url = f"https://{host}/v2/{name or rest}/manifests/{tag or 'latest'}"
    problem = await _connect(host)
    failed = f'failed to pull and unpack image "{reference}": failed to resolve image: '
    if problem:
        return PullError("ErrImagePull", f'{failed}failed to do request: Head "{url}": {problem}')
    return PullError("ErrImagePull", f"{failed}{reference}: not found")


async def _connect(registry: str) -> str:
    host, _, port_text = registry.partition(":")
    port = int(port_text) if port_text.isdigit() else 443
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except TimeoutError:
        return f"dial tcp: lookup {host}: i/o timeout"
    except OSError:
        return f"dial tcp: lookup {host}: no such host"
    ip = str(found[0][4][0])
    address = f"{ip}:{port}"
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(ip, port)
    except TimeoutError:
        return f"dial tcp {address}: i/o timeout"
    except ConnectionRefusedError:
        return f"dial tcp {address}: connect: connection refused"
    except OSError as error:
        return f"dial tcp {address}: connect: {(error.strerror or str(error)).lower()}"
    writer.close()
    return ""
