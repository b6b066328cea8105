"""A small course of its own, so that no test depends on the lessons or on a platform."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dockyard.exercises import Course, Lesson
from dockyard.exercises.exercise import Exercise
from dockyard.home import Home

FAKE = Path(__file__).parents[1] / "data" / "course-fake"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the fake course with a home of its own."""
    root = tmp_path / "project"
    shutil.copytree(FAKE, root)
    monkeypatch.setenv("DOCKYARD_PROJECT", str(root))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    for name in ("DOCKYARD_ANSWERS", "DOCKYARD_PROGRESS", "DOCKYARD_SOLUTIONS"):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture
def course(project: Path) -> Course:
    return Course(project)


@pytest.fixture
def lesson(course: Course) -> Lesson:
    return course.lesson("90")


@pytest.fixture
def query(lesson: Lesson) -> Exercise:
    """The fake lesson's exercise, 90.1."""
    return lesson.exercises[0]


@pytest.fixture
def home(project: Path) -> Home:
    return Home.find()
