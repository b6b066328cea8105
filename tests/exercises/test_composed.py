"""Compose projects of trials and the events of their containers, by the genuine client on our engine."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from tests.deadline import eventually
from tests.engine.serving import EngineProcess

from dockyard.exercises import CommandFailed, Project
from dockyard.exercises.composed import remove
from dockyard.exercises.happenings import Happenings

FILE = """
services:
  web:
    image: python:3.12-slim
    command: ["sh", "-c", "echo ${WORD:-hello} > /srv/index.html; exec python -m http.server -d /srv 80"]
    volumes: ["data:/srv"]
    ports: ["127.0.0.1::80"]
    stop_signal: SIGKILL
  once:
    image: busybox
    command: ["sh", "-c", "exit 3"]
volumes:
  data:
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path_factory.mktemp("engine"))
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def project(engine: EngineProcess, tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "compose.yaml").write_text(FILE)
    client = docker.DockerClient(base_url=engine.url, timeout=60)
    settings = {"DOCKER_CONFIG": str(tmp_path / "config")}
    name = f"trial-{tmp_path.name.replace('_', '-')}"[:60].lower()
    yield Project(name, tmp_path, docker_host=engine.url, client=client, env=settings)
    remove(client, name)
    client.close()


def text_at(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return ""


def test_a_project_is_brought_up_with_its_variables_and_found_by_its_port(project: Project) -> None:
    project.compose("up", "--detach", WORD="goodbye")
    url = project.url("web", 80)
    assert eventually(lambda: text_at(url), "the page") == "goodbye"
    assert [f"http://{host}:{port}" for name, host, port in project.published() if name == "web"] == [url]
    assert [item.name for item in project.containers("web")] == [f"{project.name}-web-1"]
    assert project.url("web", 81) == project.url("ghost", 80) == ""


def test_the_learners_own_settings_choose_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_FILE", "/nosuch.yaml")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "mine")
    project.compose("create")
    assert {item.labels["com.docker.compose.project"] for item in project.containers()} == {project.name}


def test_a_refusal_is_told_in_the_words_of_compose(project: Project) -> None:
    (project.folder / "compose.yaml").write_text("services: {web: {image: busybox, prots: []}}")
    with pytest.raises(CommandFailed, match="prots"):
        project.compose("up", "--detach")


def test_removing_leaves_no_container_network_or_volume(project: Project) -> None:
    project.compose("up", "--detach")
    project.remove()
    mine = {"label": f"com.docker.compose.project={project.name}"}
    assert project.containers() == []
    assert project.client.networks.list(filters=mine) == project.client.volumes.list(filters=mine) == []
    project.remove()


def test_two_trials_of_one_file_live_side_by_side(project: Project, engine: EngineProcess) -> None:
    other = Project(
        f"{project.name}-2",
        project.folder,
        docker_host=engine.url,
        client=project.client,
        env={"WORD": "two"},
    )
    try:
        project.compose("up", "--detach", "web")
        other.compose("up", "--detach", "web")
        eventually(lambda: text_at(project.url("web", 80)) == "hello", "the first")
        eventually(lambda: text_at(other.url("web", 80)) == "two", "the second")
    finally:
        other.remove()
    assert text_at(project.url("web", 80)) == "hello"


def test_starts_and_deaths_are_seen_as_they_happen(project: Project, engine: EngineProcess) -> None:
    with Happenings(engine.url, project.name) as seen:
        project.compose("up", "--detach")
        eventually(lambda: seen.count("die", "once"), "the short one dies")
        project.compose("kill", "web")
        eventually(lambda: seen.count("die", "web"), "the other one is killed")
    assert [item.what for item in seen.seen if item.container == "once-1"] == ["start", "die (exit code 3)"]
    assert "web-1 died (exit code 137)" in [mark.text for mark in seen.marks()]
    assert seen.count("start") == 2


def test_what_happened_before_and_elsewhere_is_not_seen(project: Project, engine: EngineProcess) -> None:
    project.compose("up", "--detach")
    with Happenings(engine.url, "another") as elsewhere, Happenings(engine.url, project.name) as seen:
        project.compose("kill", "web")
        eventually(lambda: seen.count("die", "web"), "the kill")
    assert seen.count("start") == 0
    assert elsewhere.seen == []
