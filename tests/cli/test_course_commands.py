"""check, hint, reset, goto, build and run, as a learner types them, on a course that needs no platform."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FAKE = Path(__file__).parents[1] / "data" / "course-fake"
QUERY = "labs/90-queries/query.py"


class Clone:
    """A clone of the fake course."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("DOCKYARD_")}
        environ |= {"DOCKYARD_PROJECT": str(self.root), "DOCKYARD_HOME": str(self.home)}
        return subprocess.run(
            [sys.executable, "-P", "-m", "dockyard", *arguments],
            env=environ | {"IPYTHONDIR": str(self.home / "ipython")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str, status: int = 0) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    def solve(self) -> None:
        """Put the reference answer into the learner's folder."""
        (self.root / QUERY).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / "course/90-queries/solution/query.py", self.root / QUERY)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    shutil.copytree(FAKE, tmp_path / "project")
    return Clone(tmp_path / "project", tmp_path / "home")


@pytest.mark.parametrize("command", ["check", "hint", "reset", "goto", "build", "run"])
def test_every_command_explains_itself(clone: Clone, command: str) -> None:
    done = clone.run(command, "--help")
    assert done.returncode == 0
    assert "exit status" in " ".join(done.stdout.lower().split())
    assert "--json" in done.stdout


def test_check_fails_the_start_with_its_first_failing_claim_first(clone: Clone) -> None:
    verdict = clone.json("check", "90.1", status=1)
    assert verdict["exercise"] == "90.1"
    assert verdict["passed"] is False
    first = verdict["findings"][0]
    assert (first["id"], first["holds"]) == ("waiting", False)
    assert first["claim"]
    assert first["hint"]
    assert (clone.root / QUERY).is_file()  # handed out on the way


def test_check_passes_the_learners_right_answer(clone: Clone) -> None:
    clone.solve()
    assert clone.json("check", "90.1")["passed"] is True
    done = clone.run("check", "90.1")
    assert done.stdout.startswith("PASSED")
    assert "true:" in done.stderr  # progress stays apart from the answer


def test_check_judges_another_folder_without_touching_mine(clone: Clone) -> None:
    near_miss = str(clone.root / "course/90-queries/near-miss/phase")
    assert clone.json("check", "90.1", "--answers", near_miss, status=1)["findings"][0]["id"] == "running"
    assert not (clone.root / QUERY).exists()


def test_a_lesson_that_is_written_wrongly_is_no_failed_answer(clone: Clone) -> None:
    checks = clone.root / "course/90-queries/checks.py"
    checks.write_text(checks.read_text().replace('trial.require("runs", True)', "1 / 0"))
    verdict = clone.json("check", "90.1", status=2)
    assert verdict["passed"] is None
    assert "not in your answer" in verdict["trouble"]


@pytest.mark.parametrize("command", ["check", "hint", "reset", "goto"])
def test_an_unknown_exercise_suggests_a_neighbour(clone: Clone, command: str) -> None:
    done = clone.run(command, "90.7")
    assert done.returncode == 2
    assert "Did you mean 90.1?" in done.stderr
    assert "Traceback" not in done.stderr


def test_hints_come_one_by_one_and_the_solution_after_an_attempt(clone: Clone) -> None:
    assert [clone.json("hint", "90.1")["level"] for _ in range(4)] == [1, 2, 3, 3]
    assert clone.json("hint", "90.1", "--solution", status=1)["withheld"]
    clone.json("check", "90.1", status=1)
    assert "+    return [pod" in clone.json("hint", "90.1", "--solution")["diff"]


def test_reset_asks_before_it_puts_changed_files_back(clone: Clone) -> None:
    clone.run("goto", "90.1")
    (clone.root / QUERY).write_text("mine")
    done = clone.run("reset", "90.1")
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert (clone.root / QUERY).read_text() == "mine"
    backup = Path(clone.json("reset", "90.1", "--yes")["backup"])
    assert (backup / "query.py").read_text() == "mine"
    assert (clone.root / QUERY).read_bytes() == (clone.root / "course/90-queries/lab/query.py").read_bytes()


def test_goto_shows_the_task_and_the_files(clone: Clone) -> None:
    task = clone.json("goto", "90.1")
    assert "every Pod that is not ready is listed" in task["task"]
    assert task["files"] == [str(clone.root / QUERY)]


def test_build_renders_and_then_finds_drift(clone: Clone) -> None:
    assert clone.run("build", "--check").returncode == 1
    assert clone.json("build")["changed"]
    assert clone.json("build", "--check")["drift"] == []
    (clone.root / "notebooks/90-queries.ipynb").write_text("{}")
    assert clone.json("build", "--check", status=1)["drift"]


def test_run_passes_on_the_solutions_and_fails_on_the_start(clone: Clone) -> None:
    solved = clone.json("run")
    assert solved["passed"] is True
    assert solved["lessons"][0]["cells"] == 5
    assert not (clone.root / "labs").exists()
    start = clone.run("run", "--start")
    assert start.returncode == 1
    assert "it is not true that a Pod whose container waits is found" in start.stdout
    assert "cell 4 of 5" in start.stderr


def test_run_on_mine_uses_my_files(clone: Clone) -> None:
    clone.solve()
    assert clone.json("run", "--mine")["passed"] is True


def test_run_takes_several_lessons_at_a_time_and_keeps_their_order(clone: Clone) -> None:
    course = clone.root / "course"
    for number in ("91", "92"):
        lesson = course / f"{number}-queries"
        shutil.copytree(course / "90-queries", lesson)
        for file in lesson.rglob("*"):
            if file.is_file():
                file.write_text(file.read_text().replace("90.", f"{number}.").replace('"90"', f'"{number}"'))
    taker = course / "91-queries" / "lesson.md"
    taker.write_text(taker.read_text().replace("  minutes:", "  alone: true\n  minutes:", 1))
    done = clone.run("run", "--jobs", "3", "--json")
    answer = json.loads(done.stdout)
    assert [run["lesson"] for run in answer["lessons"]] == ["90", "91", "92"]
    assert answer["passed"] is True
    order = re.findall(r"(9\d)-queries  cell", done.stderr)
    assert order[-5:] == ["91"] * 5
    assert order.count("91") == 5


def test_run_without_lessons_is_an_error(clone: Clone) -> None:
    shutil.rmtree(clone.root / "course")
    (clone.root / "course").mkdir()
    done = clone.run("run")
    assert done.returncode == 4
    assert "no lessons" in done.stderr


def test_solutions_with_outputs_are_stored_and_have_not_drifted(clone: Clone) -> None:
    clone.run("build")
    assert clone.run("build", "--execute").returncode == 0
    stored = json.loads((clone.root / "solutions/90-queries.ipynb").read_text())
    assert any(cell.get("outputs") for cell in stored["cells"])
    assert str(clone.root) not in json.dumps(stored)
    assert clone.json("build", "--check")["drift"] == []
