"""Manifests: what images consist of in a registry.

Formats: OCI image-spec v1.1, Docker image manifest version 2, schema 2.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dockyard.engine.distribution.errors import TransferError
from dockyard.runtime.incoming import MAX_LAYERS, is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPTED = (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX)
MAX_MANIFEST = 4 << 20  # bytes, as registries have it


class NoPlatform(TransferError):
    """A list of manifests has none for the machine that is asked for."""


@dataclass(frozen=True)
class Descriptor:
    """A blob, as a manifest names it."""

    digest: str
    size: int
    kind: str


@dataclass(frozen=True)
class Platform:
    """In Go's words; an empty part fits everything."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def parse_platform(text: str, machine: str) -> Platform:
    """Read `linux/amd64` or `linux/arm/v7`; what isn't said is linux, and `machine`."""
    parts = [part for part in text.split("/") if part]
    if len(parts) == 1 and parts[0] != "linux":
        parts.insert(0, "linux")
    return Platform(
        parts[0] if parts else "linux", parts[1] if len(parts) > 1 else machine, "/".join(parts[2:])
    )


@dataclass(frozen=True)
class Manifest:
    """`digest` and `size` are of the bytes that came."""

    digest: str
    size: int
    kind: str
    document: Mapping[str, Any]

    @property
    def is_list(self) -> bool:
        return self.kind in (DOCKER_LIST, OCI_INDEX)

    @property
    def config(self) -> Descriptor:
        return _descriptor(self.document.get("config"))

    @property
    def layers(self) -> list[Descriptor]:
        """Lowest first."""
        listed = self.document.get("layers")
        if not isinstance(listed, list) or len(listed) > MAX_LAYERS:
            raise TransferError("invalid manifest: no list of layers, or too long a one")
        return [_descriptor(each) for each in listed]

    def platforms(self) -> list[tuple[Platform, Descriptor]]:
        """The entries of a list that are images."""
        found = []
        for entry in self.document.get("manifests") or ():
            platform = entry.get("platform") if isinstance(entry, dict) else None
            if isinstance(platform, dict):
                names = (str(platform.get(name) or "") for name in ("os", "architecture", "variant"))
                found.append((Platform(*names), _descriptor(entry)))
        return found

    def choose(self, wanted: Platform) -> Descriptor:
        """The entry for a platform. Raises NoPlatform."""
        for platform, descriptor in self.platforms():
            if (platform.os, platform.architecture) == (wanted.os, wanted.architecture) and (
                not wanted.variant or platform.variant == wanted.variant
            ):
                return descriptor
        raise NoPlatform(
            f"no matching manifest for {wanted} in the manifest list entries: no match for platform in "
            "manifest: not found"
        )


def read_manifest(body: bytes, kind: str, expected: str) -> Manifest:
    """Check what came; `expected` is the digest asked for, if it was one. Raises TransferError."""
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    if expected and digest != expected:
        raise TransferError(f"manifest verification failed for digest {expected}")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise TransferError(f"invalid manifest: {error}") from None
    if not isinstance(document, dict):
        raise TransferError("invalid manifest: no JSON object")
    kind = str(document.get("mediaType") or kind)
    if kind not in ACCEPTED:  # some registries say only application/json
        kind = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if document.get("schemaVersion") != 2:
        raise TransferError(
            "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 "
            "support is disabled by default and will be removed in an upcoming release. Suggest the author "
            "of the image to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2."
        )
    return Manifest(digest, len(body), kind, document)


def write_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """A schema 2 manifest, byte for byte as upstream's daemon writes them."""

    def entry(item: Descriptor) -> dict[str, Any]:
        return {"mediaType": item.kind, "size": item.size, "digest": item.digest}

    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": entry(config),
        "layers": [entry(layer) for layer in layers],
    }
    return json.dumps(document, indent=3).encode()


def _descriptor(document: Any) -> Descriptor:
    size = document.get("size") if isinstance(document, dict) else None
    if not isinstance(size, int) or size < 0 or not is_digest(document.get("digest")):
        raise TransferError("invalid manifest: a descriptor without digest or size")
    return Descriptor(document["digest"], size, str(document.get("mediaType") or ""))
