"""Where an image is in a registry: host, path, and tag or digest."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from dockyard.runtime.references import familiar

HUB = "docker.io"
_HUB_ENDPOINT = "registry-1.docker.io"


@dataclass(frozen=True)
class Location:
    """One reference. `name` is the repository as people write it (`python`, `localhost:5000/team/app`)."""

    host: str
    path: str
    name: str
    tag: str = ""
    digest: str = ""

    @property
    def wanted(self) -> str:
        """The tag or the digest, as it stands in the registry's URLs."""
        return self.digest or self.tag

    @property
    def reference(self) -> str:
        """The familiar form of all."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def repository(self) -> str:
        """Host and path in full."""
        return f"{self.host}/{self.path}"

    @property
    def endpoint(self) -> str:
        """The host, with its port, that answers for the registry."""
        return _HUB_ENDPOINT if self.host == HUB else self.host


def locate(reference: str) -> Location:
    """Take a reference apart. Raises InvalidReference."""
    text = familiar(reference)
    if "@" in text:
        name, _, digest = text.partition("@")
        tag = ""
    else:
        name, _, tag = text.rpartition(":")
        digest = ""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return Location(first, rest, name, tag, digest)
    return Location(HUB, name if slash else f"library/{name}", name, tag, digest)


def is_loopback(endpoint: str) -> bool:
    """Whether a registry is on this machine, where upstream trusts it without TLS (127.0.0.0/8)."""
    host = host_of(endpoint)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(endpoint: str) -> str:
    """`[::1]:5000` -> `::1`, `localhost:5000` -> `localhost`."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    return endpoint.partition(":")[0]
