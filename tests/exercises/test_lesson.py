"""Finding lessons, exercises and overlays on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.errors import UserError
from dockyard.exercises import Course, Lesson, Mistake


def test_a_lesson_is_found_by_number_by_folder_and_by_exercise(course: Course) -> None:
    assert {course.lesson(name).id for name in ("90", "90-queries", "90.1")} == {"90"}
    assert course.exercise("90.1")[1].title == "Who is unready?"


def test_an_unknown_exercise_suggests_its_neighbour(course: Course) -> None:
    with pytest.raises(UserError) as error:
        course.exercise("90.2")
    assert "90.1" in error.value.advice


def test_a_course_without_lessons_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        Course(tmp_path).exercise("06.1")
    assert "none yet" in error.value.advice


def test_an_overlay_without_its_reason_is_refused(lesson: Lesson) -> None:
    (lesson.folder / "near-miss" / "phase" / "why.toml").unlink()
    with pytest.raises(Mistake, match=r"no why\.toml"):
        lesson.overlays("near-miss")


def test_a_near_miss_must_name_a_claim_that_exists(lesson: Lesson) -> None:
    note = lesson.folder / "near-miss" / "phase" / "why.toml"
    note.write_text(note.read_text().replace('"running"', '"walking"'))
    with pytest.raises(Mistake, match="no claim 'walking'"):
        lesson.overlays("near-miss")


def test_a_broken_checks_file_is_named_with_its_error(lesson: Lesson) -> None:
    (lesson.folder / "checks.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(Mistake, match=r"checks\.py: ModuleNotFoundError"):
        _ = lesson.exercises


def test_a_long_lesson_has_further_files_of_checks(lesson: Lesson) -> None:
    first = (lesson.folder / "checks.py").read_text()
    (declared,) = {exercise.id for exercise in Lesson(lesson.folder).exercises}
    (lesson.folder / "checks_more.py").write_text(first.replace(declared, f"{lesson.id}.9"))
    assert [exercise.id for exercise in lesson.exercises] == [declared, f"{lesson.id}.9"]
