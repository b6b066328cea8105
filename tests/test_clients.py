"""The settings of the docker command line: compose is found, and ~/.docker is left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dockyard.clients import docker_settings
from dockyard.home import Home


def test_docker_finds_compose_and_the_learners_settings_stay_his(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("no docker command line on this machine")
    own = tmp_path / "learner" / ".docker"
    own.mkdir(parents=True)
    (own / "config.json").write_text('{"auths": {"secret.example": {}}}')
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*")}
    environment = os.environ | {"HOME": str(own.parent)} | docker_settings(Home(tmp_path / "home"))
    done = subprocess.run(
        [docker, "compose", "version", "--short"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()[0].isdigit()
    shown = subprocess.run(
        [docker, "context", "ls"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0, shown.stderr
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*")} == before


def test_link_to_another_environments_compose_is_replaced(tmp_path: Path) -> None:
    settings = docker_settings(Home(tmp_path))
    link = Path(settings["DOCKER_CONFIG"]) / "cli-plugins" / "docker-compose"
    right = os.readlink(link)
    link.unlink()
    link.symlink_to("/moved/away/docker-compose")
    assert docker_settings(Home(tmp_path)) == settings
    assert os.readlink(link) == right
    assert len(list(link.parent.iterdir())) == 1
