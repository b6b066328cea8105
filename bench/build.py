"""Building the course's FastAPI image: the base image too, without the cache, and unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import docker

from bench.place import PROJECT, home, launcher, timed
from bench.rows import Row, main

APP = PROJECT / "course" / "apps" / "orders"


def measure(rounds: int) -> list[Row]:
    """A fresh home for each first build; then one home for the rest."""
    first: list[float] = []
    for _ in range(rounds):
        with home() as environ:
            client = connect(environ)
            first.append(clocked(lambda: build(client)))  # noqa: B023  - called before the loop goes on
            client.close()
    cold: list[float] = []
    unchanged: list[float] = []
    edited: list[float] = []
    images = set()
    with home() as environ:
        client = connect(environ)
        images.add(build(client))
        for _ in range(rounds):
            cold.append(clocked(lambda: images.add(build(client, nocache=True))))
            unchanged.append(clocked(lambda: images.add(build(client))))
            edited.append(clocked(lambda: build(client, labels={"edit": str(time.time())})))
        client.close()
    return [
        Row(
            "build the FastAPI image, base image not there yet", "s", first, None, "wheels in the wheelhouse"
        ),
        Row("build the FastAPI image, no cache", "s", cold, 4.0, "wheels in the wheelhouse"),
        Row("build it again unchanged", "s", unchanged, 0.3),
        Row("build it again, last step changed", "s", edited),
        Row("image ids that the same input gave", "", [float(len(images))], 1.0),
    ]


def connect(environ: dict[str, str]) -> docker.DockerClient:
    timed(environ, "up")
    status = subprocess.run([*launcher(), "status", "--json"], env=environ, capture_output=True, check=True)
    return docker.DockerClient(base_url=json.loads(status.stdout)["docker_host"], timeout=120)


def build(client: docker.DockerClient, **options: Any) -> str:
    image, _ = client.images.build(path=str(APP), tag="orders:bench", rm=True, **options)
    return str(image.id)


def clocked(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(measure, __doc__, rounds=3)
