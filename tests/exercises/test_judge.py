"""The judge's process: the same verdict twice, a hard time limit, and never an exception."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockyard.exercises import Course, Lesson
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.referee import referee
from dockyard.exercises.verdict import Verdict
from dockyard.home import Home

CHECK = '''"""A check of a test."""
import os, pathlib, signal, subprocess, sys, time
from dockyard.exercises import Trial, exercise

@exercise("90.1", title="t", seconds={seconds}, files=("query.py",), on="plain",
          claims={{"a": "a is so", "b": "b is so"}}, start="a", hints=("1", "2", "3"), why="w")
def check(trial: Trial) -> None:
    """The task."""
    {body}
'''


def judged(lesson: Lesson, home: Home, body: str, *, seconds: float = 20) -> Verdict:
    """The verdict of a check with this body."""
    (lesson.folder / "checks.py").write_text(CHECK.format(seconds=seconds, body=body))
    fresh = Course(lesson.folder.parents[1]).exercise("90.1")[1]
    return referee(fresh, None, course=lesson.folder.parents[1], home=home)


def test_the_start_fails_the_solution_passes_and_both_twice(
    lesson: Lesson, query: Exercise, home: Home
) -> None:
    root = lesson.folder.parents[1]
    for _ in range(2):
        start = referee(query, None, course=root, home=home)
        solution = referee(query, lesson.folder / "solution", course=root, home=home)
        assert (start.passed, solution.passed) == (False, True)
        assert start.first_failing is not None
        assert start.first_failing.id == query.start


def test_progress_is_passed_on_while_it_judges(lesson: Lesson, query: Exercise, home: Home) -> None:
    steps: list[str] = []
    referee(query, None, course=lesson.folder.parents[1], home=home, say=steps.append)
    assert any("FALSE" in step for step in steps)


def test_evidence_lies_beside_the_verdict(lesson: Lesson, query: Exercise, home: Home) -> None:
    verdict = referee(query, None, course=lesson.folder.parents[1], home=home)
    folder = Path(verdict.evidence)
    assert folder.is_relative_to(home.root / "evidence" / "90.1")
    assert json.loads((folder / "verdict.json").read_text()) == verdict.as_dict()
    assert (folder / "steps.jsonl").read_text().count("\n") >= 4


def test_a_missing_answer_file_is_a_finding(lesson: Lesson, query: Exercise, home: Home) -> None:
    (lesson.folder / "lab" / "query.py").unlink()
    verdict = referee(query, None, course=lesson.folder.parents[1], home=home)
    assert verdict.first_failing is not None
    assert verdict.first_failing.id == "answer"
    assert "query.py is missing" in verdict.first_failing.observed
    assert [finding.holds for finding in verdict.findings[1:]] == [None] * 4


def test_a_claim_that_stops_the_trial_leaves_the_rest_unjudged(lesson: Lesson, home: Home) -> None:
    verdict = judged(lesson, home, 'trial.require("a", False, observed="no")')
    assert [(finding.id, finding.holds) for finding in verdict.findings] == [
        ("a", False),
        ("b", None),
        ("answer", True),
    ]
    assert "it is not true that a is so" in verdict.findings[1].observed


def test_a_bug_in_a_check_is_reported_as_ours(lesson: Lesson, home: Home) -> None:
    verdict = judged(lesson, home, "1 / 0")
    assert verdict.passed is None
    assert "a bug in dockyard, not in your answer: ZeroDivisionError" in verdict.trouble
    assert "ZeroDivisionError" in (Path(verdict.evidence) / "error.txt").read_text()


def test_a_claim_that_was_never_declared_is_a_bug_of_the_lesson(lesson: Lesson, home: Home) -> None:
    assert "a bug in the lesson" in judged(lesson, home, 'trial.expect("z", True)').trouble


def test_a_check_that_hangs_is_ended_with_its_children(lesson: Lesson, home: Home, tmp_path: Path) -> None:
    note = tmp_path / "child"
    body = (
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); time.sleep(600)"
    )
    verdict = judged(lesson, home, body, seconds=3)
    assert verdict.passed is None
    assert "did not end within its 3 s" in verdict.trouble
    assert not alive(int(note.read_text()))


def test_time_that_is_over_is_said_so(lesson: Lesson, home: Home) -> None:
    verdict = judged(lesson, home, 'trial.expect("a", True); trial.wait(600)', seconds=2)
    assert "the check's 2 s are over" in verdict.trouble
    assert [finding.holds for finding in verdict.findings] == [None, True, True]


def test_a_judge_that_dies_is_a_bug_of_ours(lesson: Lesson, home: Home) -> None:
    verdict = judged(lesson, home, "os.kill(os.getpid(), signal.SIGKILL)")
    assert "the judge died" in verdict.trouble


def test_what_a_check_prints_does_not_disturb_the_verdict(lesson: Lesson, home: Home) -> None:
    body = 'print(\'{"verdict": {}}\'); os.write(1, b"raw"); trial.expect("a", True); trial.expect("b", True)'
    assert judged(lesson, home, body).passed is True


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("def unready(pods):\n    raise ValueError('my bug')\n", "ValueError: my bug"),
        ("def other(pods):\n    return []\n", "has no function unready"),
        ("def unready(pods:\n", "SyntaxError"),
        ("import os\nos._exit(0)\n", "without a result"),
        ("def unready(pods):\n    return {1}\n", "not JSON serializable"),
    ],
)
def test_an_answer_that_cannot_run_fails_in_its_own_words(
    lesson: Lesson, query: Exercise, home: Home, tmp_path: Path, answer: str, says: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "query.py").write_text(answer)
    verdict = referee(query, tmp_path / "mine", course=lesson.folder.parents[1], home=home)
    assert verdict.first_failing is not None
    assert verdict.first_failing.id == "runs"
    assert says in verdict.first_failing.observed


def alive(pid: int) -> bool:
    """Whether a process still runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_script_of_the_answer_knows_its_namespace_and_says_why_it_failed(
    lesson: Lesson, home: Home
) -> None:
    (lesson.folder / "lab" / "repair.sh").write_text(
        'echo "$ns" "$WORD"\ntest "$WORD" = hello || no-such-command\n'
    )
    body = (
        'trial.expect("a", trial.sh("repair.sh", WORD="hello") == f"{trial.namespace} hello\\n")\n'
        "    try:\n"
        '        trial.sh("repair.sh", WORD="bye")\n'
        "    except Exception as failed:\n"
        '        trial.expect("b", "no-such-command" in str(failed), observed=repr(failed))'
    )
    verdict = judged(lesson, home, body)
    assert verdict.passed, verdict.text()
