"""Every start fails where it should, right answers pass, near-misses fail at the finding that names them.

The trials of the chosen tests run on one platform, a few at a time, each in a namespace of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
ALONE = ("02.4", "04.3")  # they measure how long something takes, and would measure the trials beside them
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
        return f"{self.exercise.namespace}-{self.name}"[:60].rstrip("-")

    def deserves(self, verdict: Verdict) -> bool:
        """Whether the verdict is the one that this answer should get."""
        if self.fails_at is None:
            return verdict.passed is True
        return verdict.first_failing is not None and verdict.first_failing.id == self.fails_at


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


CASES = sorted(cases(), key=lambda case: case.exercise.id in ALONE)
IDS = [f"{case.exercise.id}-{case.name}" for case in CASES]
Judge = Callable[[Case], Verdict]


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
def judged(request: pytest.FixtureRequest, platform: Home) -> Iterator[Judge]:
    """Starts the trials of all chosen tests, and gives the verdict of one.

    Trials side by side take time from each other. What then didn't come out as it should is judged once more
    when they are over: the run says so, and shows both verdicts if it fails again.
    """
    chosen = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    chosen = [case for case in chosen if isinstance(case, Case)]
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert reporter is not None
    assert capture is not None

    def judge(case: Case, namespace: str) -> Verdict:
        verdict = referee(case.exercise, case.answers, course=ROOT, home=platform, namespace=namespace)
        clear(case, namespace, platform)
        return verdict

    # What a trial removes from the engine may be what another one builds on: those go one after the other.
    with ThreadPoolExecutor(1) as engine, ThreadPoolExecutor(AT_A_TIME) as others:
        verdicts: dict[str, Future[Verdict]] = {
            case.namespace: (engine if case.exercise.on == "engine" else others).submit(
                judge, case, case.namespace
            )
            for case in chosen
            if case.exercise.id not in ALONE
        }

        def verdict(case: Case) -> Verdict:
            if case.exercise.id in ALONE:
                wait(verdicts.values())
                first = judge(case, case.namespace)
            else:
                first = verdicts[case.namespace].result()
            if case.deserves(first):
                return first
            with capture.global_and_fixture_disabled():
                reporter.write_line(f"\n{case.exercise.id}-{case.name}: judged again, alone")
            print(f"judged the first time:\n{first.text()}")
            wait(verdicts.values())
            return judge(case, f"{case.namespace}-2")

        yield verdict


def clear(case: Case, namespace: str, platform: Home) -> None:
    """Remove what a trial left for its learner to look at: it would keep the machine busy."""
    if case.exercise.on == "cluster":
        with new_client_from_config(str(platform.kubeconfig)) as client, suppress(ApiException):
            CoreV1Api(client).delete_namespace(namespace)  # it isn't there where nothing could be staged


def excuse(case: Case, verdict: Verdict, platform: Home) -> str:
    """Why an answer can't be judged here, where that is no fault of ours: a driver that lacks the kernel's
    help, or a machine with more to do than it has cores."""
    open_ = [finding for finding in verdict.findings if finding.holds is None]
    undecided = verdict.passed is None or any(finding.id == case.fails_at for finding in open_)
    too_busy = next((finding.observed for finding in open_ if "too busy" in finding.observed), "")
    if undecided and too_busy and os.getloadavg()[0] > (os.cpu_count() or 1):
        return too_busy
    whole = (platform.state() or {}).get("driver") == "namespaces" and os.getuid() == 0
    return open_[0].observed if verdict.out_of_reach and not whole else ""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_answer_is_judged_by_what_it_does(case: Case, judged: Judge, platform: Home) -> None:
    verdict = judged(case)
    if not case.deserves(verdict) and (reason := excuse(case, verdict, platform)):
        pytest.skip(reason)
    assert case.deserves(verdict), verdict.text()
