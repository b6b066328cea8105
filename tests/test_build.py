"""course/ -> notebooks/, labs/, solutions/: deterministic, and drift is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dockyard.build import chosen, drift, dumps, render, with_outputs, write
from dockyard.errors import UserError
from dockyard.exercises import Course
from dockyard.home import project_root

FAKE = Path(__file__).parent / "data" / "course-fake"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    shutil.copytree(FAKE, tmp_path / "project")
    monkeypatch.setenv("DOCKYARD_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DOCKYARD_ANSWERS", raising=False)
    return Course(tmp_path / "project")


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_rendering_twice_gives_the_same_bytes(course: Course) -> None:
    assert dumps(render(course.lessons[0])) == dumps(render(Course(course.root).lessons[0]))


def test_a_rendered_notebook_is_valid_and_has_no_outputs(course: Course) -> None:
    import nbformat

    notebook = render(course.lessons[0])
    nbformat.validate(nbformat.reads(dumps(notebook), as_version=4))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] for cell in code)
    assert [cell["metadata"]["tags"] for cell in code if cell["metadata"]] == [["check"]]


def test_a_cell_keeps_its_id_when_another_one_comes_before_it(course: Course) -> None:
    before = {cell["id"] for cell in render(course.lessons[0])["cells"]}
    path = course.lessons[0].folder / "lesson.md"
    path.write_text(
        path.read_text().replace(
            '```{code-cell} ipython3\nquiz("90.q1")', "A word.\n\n" + '```{code-cell} ipython3\nquiz("90.q1")'
        )
    )
    path.write_text(
        path.read_text().replace(
            'lesson("90")\n```\n', 'lesson("90")\n```\n\n```{code-cell} ipython3\n1 + 1\n```\n', 1
        )
    )
    after = {cell["id"] for cell in render(Course(course.root).lessons[0])["cells"]}
    assert before <= after


def test_equal_cells_get_different_ids(course: Course) -> None:
    path = course.lessons[0].folder / "lesson.md"
    path.write_text(path.read_text() + "\n```{code-cell} ipython3\n!cat {lab}/query.py\n```\n")
    ids = [cell["id"] for cell in render(Course(course.root).lessons[0])["cells"]]
    assert len(ids) == len(set(ids))


def test_a_fresh_build_has_no_drift_and_a_second_changes_nothing(course: Course) -> None:
    assert len(write(course, course.lessons)) == 4
    assert drift(course, course.lessons) == []
    assert write(course, course.lessons) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda cells: cells[0].update(id="other"), "id"),
        (lambda cells: cells[1].update(source=["1 + 1"]), "source"),
        (lambda cells: cells[4]["metadata"].update(tags=["skip"]), "tags"),
        (lambda cells: cells.pop(), "cells"),
        (lambda cells: cells[1].update(outputs=[{"output_type": "stream"}]), "stores outputs"),
    ],
)
def test_drift_is_named(course: Course, change: Any, says: str) -> None:
    write(course, course.lessons)
    path = course.root / "notebooks" / "90-queries.ipynb"
    notebook = load(path)
    change(notebook["cells"])
    path.write_text(json.dumps(notebook))
    found = drift(course, course.lessons)
    assert len(found) == 1
    assert says in found[0]


def test_a_changed_reference_answer_and_a_stranger_are_drift(course: Course) -> None:
    write(course, course.lessons)
    (course.root / "solutions" / "90-queries" / "query.py").write_text("else")
    (course.root / "notebooks" / "91-gone.ipynb").write_text("{}")
    assert len(drift(course, course.lessons)) == 2
    write(course, course.lessons)
    assert drift(course, course.lessons) == []


def test_a_build_keeps_a_learners_file(course: Course) -> None:
    write(course, course.lessons)
    mine = course.root / "labs" / "90-queries" / "query.py"
    mine.write_text("mine")
    write(course, course.lessons)
    assert mine.read_text() == "mine"


def test_outputs_stay_with_cells_that_did_not_change(course: Course) -> None:
    notebook = render(course.lessons[0])
    old = json.loads(json.dumps(notebook))
    code = [cell for cell in old["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code):
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["kept"]}]
        cell["execution_count"] = number
    code[0]["source"] = ["changed"]
    kept = [cell for cell in with_outputs(notebook, old)["cells"] if cell.get("outputs")]
    assert len(kept) == len(code) - 1


def test_a_check_that_finds_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no lessons"):
        chosen(Course(tmp_path), ())
    with pytest.raises(UserError, match="no cell"):
        drift(Course(tmp_path), [])


def test_the_courses_own_notebooks_have_not_drifted() -> None:
    course = Course(project_root())
    assert drift(course, chosen(course, ())) == []
