"""The course's own notebooks, as they are handed out and as they are solved."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dockyard.exercises import Course, Lesson
from dockyard.exercises.verdict import Verdict
from dockyard.home import project_root
from dockyard.views.page import VERDICT
from dockyard.views.questions import checked_question

ROOT = project_root()
LESSONS = Course(ROOT).lessons
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.name for lesson in LESSONS])


def cells(folder: str, lesson: Lesson, kind: str = "code") -> list[dict[str, Any]]:
    notebook = json.loads((ROOT / folder / f"{lesson.name}.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_lessons() -> None:
    assert {"00", "01", "06"} <= {lesson.id for lesson in LESSONS}


@each_lesson
def test_a_lesson_has_exercises_and_checks_each_of_them(lesson: Lesson) -> None:
    text = "\n".join(source(cell) for cell in cells("notebooks", lesson))
    assert lesson.exercises
    for exercise in lesson.exercises:
        assert f'goto("{exercise.id}")' in text
        assert f'check("{exercise.id}")' in text


@each_lesson
def test_every_exercise_has_a_near_miss_and_an_alternative(lesson: Lesson) -> None:
    for kind in ("near-miss", "alternative"):
        answered = {overlay.exercise for overlay in lesson.overlays(kind)}
        assert answered == {exercise.id for exercise in lesson.exercises}, kind


@each_lesson
def test_a_lesson_opens_with_its_names(lesson: Lesson) -> None:
    first = cells("notebooks", lesson)[0]
    assert source(first) == f'from dockyard import *\nlesson("{lesson.id}")'


@each_lesson
def test_every_check_cell_of_a_solution_stores_a_passing_verdict(lesson: Lesson) -> None:
    checks = [cell for cell in cells("solutions", lesson) if "check" in cell["metadata"].get("tags", ())]
    assert len(checks) == len(lesson.exercises)
    for cell in checks:
        stored = [output["data"][VERDICT] for output in cell["outputs"] if VERDICT in output.get("data", {})]
        assert stored, f"{source(cell)} stores no verdict"
        assert Verdict.from_dict(stored[0]).passed is True


@each_lesson
def test_a_cell_that_calls_check_is_tagged(lesson: Lesson) -> None:
    calling = [cell for cell in cells("notebooks", lesson) if re.search(r"^check\(", source(cell), re.M)]
    assert calling
    assert all("check" in cell["metadata"].get("tags", ()) for cell in calling)


@each_lesson
def test_a_solution_stores_outputs_and_they_name_no_machine(lesson: Lesson) -> None:
    stored = [output for cell in cells("solutions", lesson) for output in cell["outputs"]]
    assert stored
    text = json.dumps(stored)
    for path in (str(ROOT), str(Path.home()) + "/", "/tmp/dockyard", "Traceback (most recent call last)"):
        assert path not in text


@each_lesson
def test_quiz_questions_are_whole_and_asked(lesson: Lesson) -> None:
    text = "\n".join(source(cell) for cell in cells("notebooks", lesson))
    questions = lesson.quiz()
    assert questions
    for name, question in questions.items():
        checked_question(f"{lesson.id}.{name}", question)
        assert f'quiz("{lesson.id}.{name}")' in text


@each_lesson
def test_every_prediction_is_measured(lesson: Lesson) -> None:
    text = "\n".join(source(cell) for cell in cells("notebooks", lesson))
    predicted = set(re.findall(r'predict\(\s*"([^"]+)"', text))
    measured = set(re.findall(r'measured\(\s*"([^"]+)"', text))
    assert predicted
    assert predicted == measured
    assert all(name.startswith(f"{lesson.id}.") for name in predicted)


@each_lesson
def test_headings_come_in_order(lesson: Lesson) -> None:
    text = "\n".join(source(cell) for cell in cells("notebooks", lesson, "markdown"))
    levels = [len(mark) for mark in re.findall(r"^(#+) ", text, re.M)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
