"""Stage, load, fault, watch and clean-up on a live cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deadline import eventually

from dockyard.backends import EmbeddedBackend
from dockyard.exercises import Course, Live
from dockyard.exercises.load import OURS, Load, PodGenerator
from dockyard.exercises.referee import referee
from dockyard.exercises.rehearsal import is_on_stage, rehearse
from dockyard.exercises.stage import Stage
from dockyard.home import Home

ROOT = Path(__file__).parents[1] / "data" / "course-live"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A platform of this module's own."""
    home = Home(tmp_path_factory.mktemp("home"))
    environment = {**os.environ, "DOCKYARD_HOME": str(home.root)}
    command = [sys.executable, "-P", "-m", "dockyard"]
    up = subprocess.run([*command, "up"], env=environment, capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stdout + up.stderr
    yield home
    subprocess.run([*command, "down"], env=environment, capture_output=True, check=True)


def left_over(live: Live) -> list[str]:
    """What of a load is still there."""
    selector = ",".join(f"{key}={value}" for key, value in OURS.items())
    items = [item for kind in ("pods", "configmaps") for item in live.list(kind, selector)]
    return [item["metadata"]["name"] for item in items]


def test_a_trial_stages_loads_cuts_watches_and_cleans_up(home: Home) -> None:
    lesson, exercise = Course(ROOT).exercise("91.1")
    for _ in range(2):
        start = referee(exercise, None, course=ROOT, home=home)
        assert start.first_failing is not None, start.text()
        assert (start.first_failing.id, start.first_failing.observed) == ("a", "start")
    solved = referee(exercise, lesson.folder / "solution", course=ROOT, home=home)
    assert solved.passed is True, solved.text()
    live = Live(exercise.namespace, home.kubeconfig)
    eventually(lambda: not left_over(live), "the load is gone")
    assert list((home.root / "faults").iterdir()) == []
    evidence = Path(solved.evidence)
    requests = [json.loads(line) for line in (evidence / "requests-1.jsonl").read_text().splitlines()[1:]]
    assert {request["status"] for request in requests} >= {200, None}
    assert '"kind":"pods"' in (evidence / "changes.jsonl").read_text()


def test_a_judge_that_is_killed_leaves_no_cut_and_no_load(home: Home) -> None:
    _, exercise = Course(ROOT).exercise("91.2")
    steps: list[str] = []
    verdict = referee(exercise, None, course=ROOT, home=home, say=steps.append)
    assert "did not end within its 25 s" in verdict.trouble
    assert any("cutting app=server" in step for step in steps)
    live = Live(exercise.namespace, home.kubeconfig)
    eventually(lambda: not left_over(live), "the load is gone")
    assert list((home.root / "faults").iterdir()) == []
    with Load(PodGenerator(live), "http://server/", rate=5) as load:
        eventually(lambda: load.ok, "the Pod is back on the network")


def test_a_refused_manifest_is_a_finding_in_kubectls_words(home: Home, tmp_path: Path) -> None:
    _, exercise = Course(ROOT).exercise("91.1")
    (tmp_path / "settings.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_Allowed}\n"
    )
    verdict = referee(exercise, tmp_path, course=ROOT, home=home, namespace="refused")
    assert verdict.first_failing is not None
    assert verdict.first_failing.id == "answer"
    assert 'The ConfigMap "Not_Allowed" is invalid' in verdict.first_failing.observed


def test_rehearsing_applies_the_learners_files_and_clearing_empties_the_stage(home: Home) -> None:
    lesson, exercise = Course(ROOT).exercise("91.2")
    backend = EmbeddedBackend(home)
    live = Live(exercise.namespace, home.kubeconfig)
    said = rehearse(
        lesson, exercise, lesson.folder / "solution", backend=backend, home=home, say=lambda what: None
    )
    assert "configmap/settings created" in said
    found = live.get("configmap", "settings")
    assert found is not None
    assert found["data"]["word"] == "solution"
    assert is_on_stage(exercise, backend)
    Stage(live).clear()
    assert not is_on_stage(exercise, backend)
