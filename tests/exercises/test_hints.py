"""Hints come one after the other; the solution after an attempt."""

from __future__ import annotations

from dockyard.backends import EmbeddedBackend
from dockyard.exercises import Course, Lesson
from dockyard.exercises.answers import Labs
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.hints import next_hint, solution
from dockyard.exercises.progress import Progress
from dockyard.exercises.verdict import Verdict
from dockyard.home import Home


def test_hints_progress_and_stay_at_the_last(query: Exercise, home: Home) -> None:
    backend, progress = EmbeddedBackend(home), Progress(home.progress)
    levels = [next_hint(query, backend, progress).level for _ in range(4)]
    assert levels == [1, 2, 3, 3]
    assert next_hint(query, backend, progress, level=1).text == "Look at `ready`."


def test_a_hint_that_cannot_see_the_system_says_so(query: Exercise, home: Home) -> None:
    shown = next_hint(query, EmbeddedBackend(home), Progress(home.progress), level=2)
    assert "cannot now" in shown.text
    assert 'goto("90.1")' in shown.text


def test_the_solution_waits_for_an_attempt(
    course: Course, lesson: Lesson, query: Exercise, home: Home
) -> None:
    labs, progress = Labs.find(course, home), Progress(home.progress)
    labs.give_out(lesson)
    assert solution(lesson, query, labs, progress).withheld
    assert "+    return [pod" in solution(lesson, query, labs, progress, anyway=True).diff
    progress.attempted(Verdict("90.1", (), trouble="no judge"))
    assert solution(lesson, query, labs, progress).withheld


def test_the_solution_is_a_difference_from_the_learners_files(
    course: Course, lesson: Lesson, query: Exercise, home: Home
) -> None:
    labs = Labs.find(course, home)
    labs.give_out(lesson)
    (labs.folder(lesson) / "query.py").write_text("my own line\n")
    opened = solution(lesson, query, labs, Progress(home.progress), anyway=True)
    assert "-my own line" in opened.diff
    assert opened.why == "Ready is a condition of its own."
