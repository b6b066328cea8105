"""The backend `docker`: an engine that somebody else runs, of which nothing but trials is touched."""

from __future__ import annotations

import os
from pathlib import Path

import docker
import pytest

from dockyard.backends.engine import TRIAL_LABEL
from tests.cli.conftest import CommandLine


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "embedded":
        return str(request.getfixturevalue("somebodys_engine"))
    host = os.environ.get("DOCKYARD_REAL_DOCKER_HOST")
    if not host:
        pytest.skip("no real Docker Engine: DOCKYARD_REAL_DOCKER_HOST is not set")
    return host


def test_up_remembers_the_engine_until_down(cli: CommandLine, engine: str) -> None:
    state = cli.json("up", "--backend", "docker", "--docker-host", engine)
    assert state["backend"] == "docker"
    assert state["docker_host"] == engine
    assert cli.json("status")["docker_host"] == engine
    variables = cli.json("env")
    assert variables["DOCKER_HOST"] == engine
    assert "KUBECONFIG" not in variables
    assert cli.run("down").returncode == 0
    assert cli.json("status")["running"] is False
    assert cli.json("env")["DOCKER_HOST"] == cli.home.docker_host


def test_down_removes_what_trials_left_and_nothing_else(cli: CommandLine, engine: str) -> None:
    cli.json("up", "--backend", "docker", "--docker-host", engine)
    client = docker.DockerClient(base_url=engine)
    mine = client.containers.create("busybox", "true")
    left = client.containers.create("busybox", "true", labels={TRIAL_LABEL: f"ex-90-1.{cli.home.digest}"})
    theirs = client.containers.create("busybox", "true", labels={TRIAL_LABEL: "ex-90-1.01234567"})
    try:
        assert cli.run("down").returncode == 0
        known = {found.id for found in client.containers.list(all=True)}
        assert {mine.id, theirs.id} <= known
        assert left.id not in known
    finally:
        mine.remove(force=True)
        theirs.remove(force=True)
        client.close()


def test_lesson_on_pods_is_refused_with_the_way_out(cli: CommandLine, somebodys_engine: str) -> None:
    cli.json("up", "--backend", "docker", "--docker-host", somebodys_engine)
    done = cli.run("run", "06")
    assert done.returncode == 4
    assert "06 needs a cluster" in done.stderr
    assert "--backend embedded" in done.stderr
    verdict = cli.json("check", "06.1")
    assert verdict["passed"] is not True
    assert "judged on a cluster" in verdict["trouble"]


def test_no_engine_is_said_with_what_to_do(cli: CommandLine, tmp_path: Path) -> None:
    done = cli.run("up", "--backend", "docker", "--docker-host", f"unix://{tmp_path}/none.sock")
    assert done.returncode == 3
    assert "no Docker Engine answers" in done.stderr
    assert "--docker-host" in done.stderr
    assert not cli.home.choice.exists()


def test_backend_that_does_not_exist_is_named_with_those_that_do(cli: CommandLine) -> None:
    assert cli.run("up", "--backend", "swarm").returncode == 2
    done = cli.run("status", DOCKYARD_BACKEND="swarm")
    assert done.returncode == 4
    assert "embedded, docker, kind, kubeconfig" in done.stderr


def test_unreadable_choice_is_no_riddle(cli: CommandLine) -> None:
    cli.home.prepare()
    cli.home.choice.write_text("{")
    done = cli.run("status")
    assert done.returncode == 4
    assert str(cli.home.choice) in done.stderr
