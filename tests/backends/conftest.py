"""Somebody's engine, somebody's cluster, and a learner with a home of his own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from dockyard.home import Home
from tests.backends.somebodys import SomebodysCluster
from tests.cli.conftest import CommandLine
from tests.engine.serving import EngineProcess


@pytest.fixture(scope="module")
def somebodys_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine outside the home that the tests use: one of ours, as any other that speaks the Engine API."""
    engine = EngineProcess(tmp_path_factory.mktemp("engine"))
    engine.start()
    client = docker.DockerClient(base_url=engine.url)
    client.images.pull("busybox", "latest")
    client.close()
    yield engine.url
    engine.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SomebodysCluster]:
    made = SomebodysCluster(tmp_path_factory.mktemp("somebodys"))
    yield made
    made.close()


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command line of a fresh home, in an environment without an engine and a kubeconfig."""
    environment = {"DOCKER_HOST": "", "KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    return CommandLine(Home(tmp_path / "home"), environment)
