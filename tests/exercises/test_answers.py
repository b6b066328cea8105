"""A learner's files are given out once and are theirs from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.errors import UserError
from dockyard.exercises import Course, Lesson
from dockyard.exercises.answers import Labs, assemble
from dockyard.exercises.exercise import Exercise
from dockyard.home import Home


@pytest.fixture
def labs(course: Course, home: Home) -> Labs:
    return Labs.find(course, home)


def test_missing_files_are_given_out(labs: Labs, lesson: Lesson) -> None:
    assert [path.name for path in labs.give_out(lesson)] == ["query.py"]
    assert labs.give_out(lesson) == []


def test_a_changed_answer_survives_giving_out_and_an_update_of_the_course(labs: Labs, lesson: Lesson) -> None:
    labs.give_out(lesson)
    mine = labs.folder(lesson) / "query.py"
    mine.write_text("mine")
    (lesson.folder / "lab" / "query.py").write_text("a new start")
    assert labs.give_out(lesson) == []
    assert mine.read_text() == "mine"


def test_an_unchanged_file_follows_an_update_of_the_course(labs: Labs, lesson: Lesson) -> None:
    labs.give_out(lesson)
    (lesson.folder / "lab" / "query.py").write_text("a new start")
    labs.give_out(lesson)
    assert (labs.folder(lesson) / "query.py").read_text() == "a new start"


def test_a_file_that_was_there_before_us_is_never_overwritten(labs: Labs, lesson: Lesson) -> None:
    mine = labs.folder(lesson) / "query.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("from another clone")
    labs.give_out(lesson)
    (lesson.folder / "lab" / "query.py").write_text("a new start")
    labs.give_out(lesson)
    assert mine.read_text() == "from another clone"


def test_putting_back_keeps_a_backup(labs: Labs, lesson: Lesson, query: Exercise) -> None:
    labs.give_out(lesson)
    mine = labs.folder(lesson) / "query.py"
    mine.write_text("mine")
    assert [str(name) for name in labs.changed(lesson, query)] == ["query.py"]
    backup = labs.put_back(lesson, query)
    assert backup is not None
    assert (backup / "query.py").read_text() == "mine"
    assert mine.read_bytes() == (lesson.folder / "lab" / "query.py").read_bytes()
    assert labs.put_back(lesson, query) is None


def test_two_resets_in_one_second_keep_two_backups(labs: Labs, lesson: Lesson, query: Exercise) -> None:
    labs.give_out(lesson)
    backups = set()
    for text in ("first", "second"):
        (labs.folder(lesson) / "query.py").write_text(text)
        backups.add(labs.put_back(lesson, query))
    assert len(backups) == 2


def test_writing_an_answer_keeps_what_it_replaces(labs: Labs, lesson: Lesson) -> None:
    labs.give_out(lesson)
    assert labs.write(lesson, "query.py", "first\n") is None  # only the start was lost
    backup = labs.write(lesson, "query.py", "second\n")
    assert backup is not None
    assert (backup / "query.py").read_text() == "first\n"


@pytest.mark.parametrize("name", ["../../secret.txt", "/etc/passwd", "."])
def test_an_answer_file_stays_in_its_folder(labs: Labs, lesson: Lesson, name: str) -> None:
    with pytest.raises(UserError, match="not a file in"):
        labs.write(lesson, name, "x")


def test_a_near_miss_lies_on_the_solution(lesson: Lesson, query: Exercise, tmp_path: Path) -> None:
    (lesson.folder / "solution" / "other.txt").write_text("of the solution")
    made = assemble(lesson, tmp_path / "a", lesson.folder / "near-miss" / "phase", exercise=query)
    assert "phase" in (made / "query.py").read_text()
    assert (made / "other.txt").exists()
    assert not (made / "why.toml").exists()


def test_an_answer_leaves_caches_behind(lesson: Lesson, query: Exercise, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / ".venv").mkdir(parents=True)
    (mine / ".venv" / "huge").write_text("x")
    (mine / "query.py").write_text("mine")
    made = assemble(lesson, tmp_path / "a", mine, exercise=query)
    assert [path.name for path in made.rglob("*")] == ["query.py"]
