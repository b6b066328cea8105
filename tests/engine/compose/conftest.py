"""docker compose against engines: ours, with images that the recorded projects need, and a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.engine.compose.play import Player
from tests.engine.serving import EngineProcess


def client_environment(docker_host: str, config: Path) -> dict[str, str]:
    """The environment of the docker command line with compose as its plugin; skips where one is missing."""
    for program in ("docker", "docker-compose"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    plugins = config / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "docker-compose").symlink_to(str(shutil.which("docker-compose")))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DOCKER_"))}
    return kept | {"DOCKER_HOST": docker_host, "DOCKER_CONFIG": str(config)}


@pytest.fixture(scope="package")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine for recorded sessions alone: they list all that there is."""
    engine = EngineProcess(tmp_path_factory.mktemp("compose-engine"))
    engine.start()
    client = docker.DockerClient(base_url=engine.url, timeout=120)
    client.images.pull("busybox:latest")
    client.close()
    yield engine.url
    engine.close()


@pytest.fixture
def player(own_engine: str, tmp_path: Path) -> Player:
    """A player in an empty project on an engine of its own."""
    project = tmp_path / "project"
    project.mkdir()
    return Player(project, client_environment(own_engine, tmp_path / "config"))


Compose = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def compose(docker_host: str, name: str, tmp_path: Path) -> Iterator[Compose]:
    """docker compose in `tmp_path`/NAME, so in a project called `name`; it is taken down after the test."""
    environment = client_environment(docker_host, tmp_path / "config")
    project = tmp_path / name
    project.mkdir()

    def call(*arguments: str, yaml: str = "", stdin: str = "") -> subprocess.CompletedProcess[str]:
        if yaml:
            (project / "compose.yaml").write_text(yaml)
        return subprocess.run(
            ["docker", "compose", *arguments],
            input=stdin,
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    yield call
    if (project / "compose.yaml").exists():
        call("--profile", "*", "down", "-v", "-t", "0", "--remove-orphans", "--rmi", "local")
