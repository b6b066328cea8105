"""The names that `from dockyard import *` gives, in a kernel, on a course that needs no platform."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dockyard.execute import Run, execute

FAKE = Path(__file__).parents[1] / "data" / "course-fake"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(FAKE, root)
    (root / "notebooks").mkdir()
    (root / "solutions").mkdir()
    return root


def run(project: Path, *sources: str, folder: str = "notebooks") -> Run:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{n}",
            "metadata": {},
            "source": source,
            "execution_count": None,
            "outputs": [],
        }
        for n, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    env = {
        "DOCKYARD_PROJECT": str(project),
        "DOCKYARD_HOME": str(project.parent / "home"),
        "IPYTHONDIR": str(project.parent / "ipython"),
    }
    return execute(notebook, "test", folder=project / folder, env=env, limit=60)


def said(done: Run, number: int) -> str:
    """What a cell shows, as text."""
    outputs: list[Any] = done.notebook["cells"][number]["outputs"]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join(texts)


def test_importing_the_package_loads_nothing_of_jupyter() -> None:
    code = "import sys, dockyard; sys.exit('IPython' in sys.modules or 'kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_lesson_sets_lab_and_ns_and_gives_files_out(project: Path) -> None:
    done = run(
        project, "from dockyard import *\nlesson('90')", "print(lab, ns)", "!cat $lab/query.py '{a.b}'||true"
    )
    assert done.passed, done.failures
    assert said(done, 1).strip() == "../labs/90-queries lesson-90"
    assert "def unready" in said(done, 2)
    assert (project / "labs/90-queries/query.py").is_file()


def test_check_never_raises_and_shows_a_verdict(project: Path) -> None:
    done = run(
        project, "from dockyard import *\nlesson('90')", "check('90.1')", "check('no such')", "check(None)"
    )
    reasons = [failure.reason for failure in done.failures]
    assert [verdict.passed for verdict in done.verdicts] == [False, None, None]
    assert all("it is not true" in reason or reason.startswith("NOT JUDGED") for reason in reasons)
    assert "next step" in said(done, 1)


def test_an_answer_typed_into_a_cell_is_a_file_and_keeps_what_it_replaces(project: Path) -> None:
    right = (project / "course/90-queries/solution/query.py").read_text()
    done = run(
        project,
        "from dockyard import *\nlesson('90')",
        "%%answer query.py\nmine = 1\n",
        f"%%answer query.py\n{right}",
        "%%answer query.py",
        "check('90.1')",
    )
    assert done.passed, done.failures
    assert "What was there is kept" in said(done, 2)
    assert "def unready" in said(done, 3)
    backups = list((project / "labs/.backup/90-queries").rglob("query.py"))
    assert [path.read_text() for path in backups] == ["mine = 1\n"]


def test_a_notebook_among_the_solutions_speaks_of_the_reference_files(project: Path) -> None:
    shutil.copytree(project / "course/90-queries/solution", project / "solutions/90-queries")
    done = run(
        project,
        "from dockyard import *\nlesson('90')",
        "print(lab)",
        "%%answer query.py\nmine = 1\n",
        "check('90.1')",
        "quiz('90.q1')",
        folder="solutions",
    )
    assert done.passed, done.failures
    assert said(done, 1).strip() == "90-queries"
    assert "mine" not in (project / "solutions/90-queries/query.py").read_text()
    assert "Right:" in said(done, 4)
    assert not (project.parent / "home/progress/progress.json").exists()
    assert not (project / "labs").exists()


def test_predictions_and_quiz_answers_are_kept(project: Path) -> None:
    done = run(
        project,
        "from dockyard import *\nlesson('90')",
        "predict('90.n', 'How many?', guess=...)\npredict('90.m', 'How many?', guess=3)",
        "measured('90.m', 0)\nmeasured('90.n', 0)",
        "quiz('90.q1', 'a')",
    )
    assert done.passed, done.failures
    assert "Replace the ..." in said(done, 1)
    assert "Your prediction: 3" in said(done, 1)
    assert "Not as you predicted" in said(done, 2)
    assert "committed to no prediction" in said(done, 2)
    assert "Wrong:" in said(done, 3)


def test_mistakes_come_as_a_sentence_without_a_traceback(project: Path) -> None:
    done = run(
        project,
        "from dockyard import *\nlesson('91')",
        "%%answer query.py\nx\n",
        "goto('90.7')",
        "predict('90.n', 'Which?', guess='c', choices=('a', 'b'))",
        "quiz('90.q9')",
    )
    reasons = [failure.reason for failure in done.failures]
    assert "there is no lesson '91'" in reasons[0]
    assert "no lesson is open" in reasons[1]
    assert "Did you mean 90.1?" in reasons[2]
    assert "none of the choices" in reasons[3]
    assert "there is no question '90.q9'" in reasons[4]
    for cell in done.notebook["cells"]:
        assert all("File " not in line for output in cell["outputs"] for line in output.get("traceback", ()))
