"""Every start fails where it should, right answers pass, near-misses fail at the finding that names them.

The trials of the chosen tests run on one platform, a few at a time, each in a namespace of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubernetes.client import ApiException, CoreV1Api
from kubernetes.config import new_client_from_config

from dockyard.exercises import Course, Lesson, Verdict
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.referee import referee
from dockyard.home import Home, project_root

AT_A_TIME = 4  # a trial mostly waits
ROOT = project_root()


@dataclass(frozen=True)
class Case:
    """One answer and what must become of it: None passes, a name is the first failing claim."""

    lesson: Lesson
    exercise: Exercise
    name: str
    answers: Path | None
    fails_at: str | None

    @property
    def namespace(self) -> str:
        return f"{self.exercise.namespace}-{self.name}"[:63].rstrip("-")


def cases() -> Iterator[Case]:
    for lesson in Course(ROOT).lessons:
        for exercise in lesson.exercises:
            yield Case(lesson, exercise, "start", None, exercise.start)
            yield Case(lesson, exercise, "solution", lesson.folder / "solution", None)
        by_id = {exercise.id: exercise for exercise in lesson.exercises}
        for overlay in lesson.overlays("alternative"):
            yield Case(lesson, by_id[overlay.exercise], overlay.name, overlay.folder, None)
        for overlay in lesson.overlays("near-miss"):
            yield Case(lesson, by_id[overlay.exercise], overlay.name, overlay.folder, overlay.finding)


CASES = list(cases())
IDS = [f"{case.exercise.id}-{case.name}" for case in CASES]
Judged = Callable[[Case], Verdict]


def test_there_are_answers_to_judge() -> None:
    kinds = {"start", "solution"}
    assert kinds <= {case.name for case in CASES}
    assert any(case.fails_at and case.name not in kinds for case in CASES)
    assert any(not case.fails_at and case.name not in kinds for case in CASES)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A platform of this module's own, started by the command line and stopped by it."""
    home = Home(tmp_path_factory.mktemp("home"))
    environment = {**os.environ, "DOCKYARD_HOME": str(home.root), "DOCKYARD_PROJECT": str(ROOT)}
    command = [sys.executable, "-P", "-m", "dockyard"]
    up = subprocess.run(
        [*command, "up", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert up.returncode == 0, up.stdout + up.stderr
    assert json.loads(up.stdout)["running"]
    yield home
    subprocess.run([*command, "down"], env=environment, capture_output=True, check=True)


@pytest.fixture(scope="module")
def judged(request: pytest.FixtureRequest, platform: Home) -> Iterator[Judged]:
    """Starts the trials of all chosen tests, and gives the verdict of one."""
    chosen = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    chosen = [case for case in chosen if isinstance(case, Case)]

    def judge(case: Case) -> Verdict:
        def once() -> Verdict:
            return referee(case.exercise, case.answers, course=ROOT, home=platform, namespace=case.namespace)

        verdict = once()
        unsure = [finding.observed for finding in verdict.findings if finding.holds is None]
        if verdict.trouble.endswith("Check again") or any("too busy" in observed for observed in unsure):
            verdict = once()
        clear(case, platform)
        return verdict

    # What a trial removes from the engine may be what another one builds on: those go one after the other.
    with ThreadPoolExecutor(1) as engine, ThreadPoolExecutor(AT_A_TIME) as others:
        verdicts: dict[str, Future[Verdict]] = {
            case.namespace: (engine if case.exercise.on == "engine" else others).submit(judge, case)
            for case in chosen
        }
        yield lambda case: verdicts[case.namespace].result()


def clear(case: Case, platform: Home) -> None:
    """Remove what a trial left for its learner to look at: it would keep the machine busy."""
    if case.exercise.on == "cluster":
        with new_client_from_config(str(platform.kubeconfig)) as client, suppress(ApiException):
            CoreV1Api(client).delete_namespace(case.namespace)  # it isn't there where nothing could be staged


def excuse(verdict: Verdict, platform: Home) -> str:
    """Why an answer can't be judged here, where that is no fault of ours: a driver that lacks the kernel's
    help, or a machine with more to do than it has cores."""
    if not verdict.out_of_reach:
        return ""
    whole = (platform.state() or {}).get("driver") == "namespaces" and os.getuid() == 0
    busy = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    reason = next(finding.observed for finding in verdict.findings if finding.holds is None)
    return reason if not whole or (busy and "too busy" in reason) else ""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_answer_is_judged_by_what_it_does(case: Case, judged: Judged, platform: Home) -> None:
    verdict = judged(case)
    if reason := excuse(verdict, platform):
        pytest.skip(reason)
    finding = next((one for one in verdict.findings if one.id == case.fails_at), None)
    if finding is not None and finding.holds is None and "too busy" in finding.observed:
        pytest.skip(finding.observed)
    assert verdict.passed is (case.fails_at is None), verdict.text()
    if case.fails_at is not None:
        assert verdict.first_failing is not None
        assert verdict.first_failing.id == case.fails_at, verdict.text()
