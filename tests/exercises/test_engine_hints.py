"""Hints of exercises on the engine build and start what the learner has written, and leave nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from dockyard.backends import EmbeddedBackend
from dockyard.exercises import Course
from dockyard.exercises.answers import assemble
from dockyard.exercises.hints import next_hint
from dockyard.exercises.progress import Progress
from dockyard.exercises.provide import provide
from dockyard.home import Home, project_root

ROOT = project_root()
LESSON = "02"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBackend]:
    """A platform of this module's own, with the lesson's images."""
    home = Home(tmp_path_factory.mktemp("home"))
    environment = {**os.environ, "DOCKYARD_HOME": str(home.root), "DOCKYARD_PROJECT": str(ROOT)}
    command = [sys.executable, "-P", "-m", "dockyard"]
    up = subprocess.run(
        [*command, "up", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert up.returncode == 0, up.stdout + up.stderr
    assert json.loads(up.stdout)["running"]
    backend = EmbeddedBackend(home)
    provide(Course(ROOT).lesson(LESSON), backend.docker_host, lambda what: None)
    yield backend
    subprocess.run([*command, "down"], env=environment, capture_output=True, check=True)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("exercise", "said"),
    [
        ("02.1", "PID 1 is `sh start.sh`"),
        ("02.2", "Uid 0, "),
        ("02.3", "Its limit is none."),
        ("02.4", "20 ms of CPU in each period"),
    ],
)
def test_a_hint_tells_what_the_learners_own_container_does(
    backend: EmbeddedBackend, tmp_path: Path, exercise: str, said: str
) -> None:
    lesson, found = Course(ROOT).exercise(exercise)
    folder = assemble(lesson, tmp_path / "labs", exercise=found)
    shown = next_hint(found, backend, Progress(tmp_path / "progress"), level=2, answers=folder)
    assert said in shown.text
    client = docker.DockerClient(base_url=backend.docker_host)
    assert client.containers.list(all=True) == []
    client.close()


@pytest.mark.timeout(120)
def test_a_hint_says_why_the_learners_container_cannot_be_started(
    backend: EmbeddedBackend, tmp_path: Path
) -> None:
    lesson, found = Course(ROOT).exercise("02.3")
    folder = assemble(lesson, tmp_path / "labs", exercise=found)
    (folder / "e3" / "run.sh").write_text('exec docker run --memory 1x "$@" reports:1\n')
    shown = next_hint(found, backend, Progress(tmp_path / "progress"), level=2, answers=folder)
    assert "cannot now" in shown.text
    assert "invalid" in shown.text
