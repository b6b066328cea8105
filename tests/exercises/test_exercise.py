"""Declaring exercises: half-written ones are refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.exercises import Mistake, Trial, exercise

WHOLE: dict[str, Any] = {
    "title": "t",
    "seconds": 5,
    "claims": {"a": "a is true"},
    "start": "a",
    "hints": ("1", "2", "3"),
    "why": "because",
}


def check(trial: Trial) -> None:
    """The task."""


def test_an_exercise_knows_its_lesson_namespace_and_task() -> None:
    declared = exercise("06.1", **WHOLE)(check).__dict__["exercise"]
    assert (declared.lesson, declared.namespace, declared.task) == ("06", "ex-06-1", "The task.")
    assert list(declared.claims) == ["answer", "a"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hints": ("one",)}, "1 hints"),
        ({"claims": {}, "start": "answer"}, "claims nothing"),
        ({"start": "b"}, "none of its claims"),
        ({"seconds": 0}, "time limit"),
        ({"why": ""}, "why"),
    ],
)
def test_a_half_written_exercise_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Mistake, match=says):
        exercise("06.1", **{**WHOLE, **change})


def test_a_check_without_a_task_is_refused() -> None:
    def silent(trial: Trial) -> None:
        pass

    with pytest.raises(Mistake, match="docstring"):
        exercise("06.1", **WHOLE)(silent)
