"""Gives a real Docker Engine the catalog's stand-ins, so that engine tests run there without a registry.

python .ci/load_stand_ins.py DOCKER_HOST python:3.12-slim busybox:latest
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path

import docker

from dockyard.home import Home
from dockyard.runtime.images import ImageStore
from dockyard.wire.clock import SystemClock

WHEELHOUSE = "/usr/share/dockyard/wheelhouse"


def main() -> int:
    """Load each reference; one that the engine has already stays as it is."""
    host, *references = sys.argv[1:]
    client = docker.DockerClient(base_url=host, timeout=300)
    known = {tag for image in client.images.list() for tag in image.tags}
    with tempfile.TemporaryDirectory(prefix="stand-ins-") as directory:
        store = ImageStore(Path(directory) / "images", clock=SystemClock())
        for reference in references:
            if reference in known:
                continue
            archive = Path(directory) / "archive.tar"
            save(store, reference, archive)
            with archive.open("rb") as file:
                client.images.load(file)
            if reference.startswith("python:"):
                add_wheelhouse(client, reference)
            print(f"loaded {reference}")
        store.close()
    return 0


def save(store: ImageStore, reference: str, archive: Path) -> None:
    """Write the image as `docker save` would (Docker Image Specification v1.2)."""
    image = store.resolve(reference)
    config = json.dumps(image.config).encode()
    with tarfile.open(archive, "w") as tar:
        layers = []
        for digest in image.layers:
            name = f"{digest.removeprefix('sha256:')}/layer.tar"
            with tempfile.TemporaryFile(dir=archive.parent) as layer:
                store.layers.write_tar(digest, layer)
                size = layer.tell()
                layer.seek(0)
                add(tar, name, layer, size)
            layers.append(name)
        config_name = f"{image.id.removeprefix('sha256:')}.json"
        add(tar, config_name, io.BytesIO(config), len(config))
        manifest = json.dumps([{"Config": config_name, "RepoTags": [reference], "Layers": layers}]).encode()
        add(tar, "manifest.json", io.BytesIO(manifest), len(manifest))


def add(tar: tarfile.TarFile, name: str, content: io.IOBase, size: int) -> None:
    """One file into the archive."""
    info = tarfile.TarInfo(name)
    info.size = size
    tar.addfile(info, content)  # type: ignore[arg-type]


def add_wheelhouse(client: docker.DockerClient, reference: str) -> None:
    """Put the wheels where the stand-in's pip looks; our engine mounts them there during builds."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        recipe = f"FROM {reference}\nCOPY wheelhouse {WHEELHOUSE}\n".encode()
        add(tar, "Dockerfile", io.BytesIO(recipe), len(recipe))
        tar.add(Home.find().wheelhouse, "wheelhouse")
    context.seek(0)
    client.images.build(fileobj=context, custom_context=True, tag=reference, rm=True)


if __name__ == "__main__":
    sys.exit(main())
