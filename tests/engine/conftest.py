"""Engines to test: ours, and with `-m real` a real one; clients for both."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator

import docker
import pytest
from docker.models.containers import Container

from tests.engine.serving import EngineProcess

IMAGES = ("busybox:latest", "python:3.12-slim")


@pytest.fixture(scope="session")
def embedded_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our engine, with the images that the tests use."""
    engine = EngineProcess(tmp_path_factory.mktemp("engine"))
    engine.start()
    client = docker.DockerClient(base_url=engine.url, timeout=60)
    for image in IMAGES:
        client.images.pull(image)
    client.close()
    yield engine.url
    engine.close()


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def docker_host(request: pytest.FixtureRequest) -> str:
    """The URL of an engine; each test that asks for it runs on ours and, with `-m real`, on a real one."""
    if request.param == "embedded":
        return str(request.getfixturevalue("embedded_engine"))
    host = os.environ.get("DOCKYARD_REAL_DOCKER_HOST")
    if not host:
        pytest.skip("no real Docker Engine: DOCKYARD_REAL_DOCKER_HOST is not set")
    return host


@pytest.fixture
def client(docker_host: str) -> Iterator[docker.DockerClient]:
    """The docker SDK."""
    client = docker.DockerClient(base_url=docker_host, timeout=60)
    yield client
    client.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


Run = Callable[..., Container]


@pytest.fixture
def run(client: docker.DockerClient) -> Iterator[Run]:
    """Start containers in the background; they are removed after the test."""
    started: list[Container] = []

    def start(command: str | list[str] | None, image: str = "busybox", **options: object) -> Container:
        container = client.containers.create(image, command, detach=True, **options)
        started.append(container)
        container.start()
        return container

    yield start
    for container in started:
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            pass  # the test did it


Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cli(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The docker command line, with a configuration of its own."""
    program = shutil.which("docker")
    if program is None:
        pytest.skip("no docker command line on this machine")
    config = tmp_path_factory.mktemp("docker-config")
    environment = {**os.environ, "DOCKER_HOST": docker_host, "DOCKER_CONFIG": str(config)}

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def needs(client: docker.DockerClient, what: str) -> None:
    """Skip where the engine says that its driver does without `what`."""
    for warning in client.info().get("Warnings") or ():
        if what in warning:
            pytest.skip(warning)
