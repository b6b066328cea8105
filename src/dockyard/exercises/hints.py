"""Hints, one after the other, from the live system where they can; and the solution as a difference."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.backends import Backend
from dockyard.exercises.answers import Labs, chosen
from dockyard.exercises.composed import Project
from dockyard.exercises.containers import Containers
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.lesson import Lesson
from dockyard.exercises.places import live_on
from dockyard.exercises.progress import Progress
from dockyard.exercises.workbench import Workbench


@dataclass(frozen=True)
class HintShown:
    """One hint: `level` of `levels`, Markdown `text`."""

    exercise: str
    level: int
    levels: int
    text: str


@dataclass(frozen=True)
class Solution:
    """The reference answer as a unified diff from the learner's files; `why` says why it is right.

    `withheld` says why it is not shown yet; then `diff` is empty.
    """

    exercise: str
    diff: str
    why: str
    withheld: str = ""


def next_hint(
    exercise: Exercise,
    backend: Backend,
    progress: Progress,
    level: int | None = None,
    answers: Path | None = None,
) -> HintShown:
    """The next hint, or the one asked for; remembered. After the last, the last one again.

    `answers` is the learner's folder, for hints that build and start what is in it. A hint that looks at the
    live system and can't says what kept it from doing so: hints never raise.
    """
    levels = len(exercise.hints)
    seen = int(progress.exercise(exercise.id)["hints"])
    chosen_level = min(max(1, level if level is not None else seen + 1), levels)
    written = exercise.hints[chosen_level - 1]
    if callable(written):
        try:
            text = look(written, exercise, backend, answers)
        except Exception as error:
            reason = str(error).rstrip(".")
            text = (
                f"This hint looks at your live system, and cannot now: {reason}. "
                f'Bring the exercise on stage with `goto("{exercise.id}")` and ask again.'
            )
    else:
        text = written
    progress.hinted(exercise.id, chosen_level)
    return HintShown(exercise.id, chosen_level, levels, text.strip())


def look(hint: Callable[[Any], str], exercise: Exercise, backend: Backend, answers: Path | None) -> str:
    """What a hint finds out: on the cluster, in the Compose project, or on the engine with the files."""
    if exercise.on == "compose" and answers is not None:
        engine = Containers(backend, exercise.namespace)
        try:
            host, client = backend.docker_host, engine.client
            return hint(Project(exercise.namespace, answers, docker_host=host, client=client, env={}))
        finally:
            engine.close()
    if exercise.on != "engine" or answers is None:
        return hint(live_on(backend, exercise.namespace))
    bench = Workbench(backend, exercise.namespace, answers)
    try:
        return hint(bench)
    finally:
        bench.remove_all()
        bench.close()


def solution(
    lesson: Lesson, exercise: Exercise, labs: Labs, progress: Progress, *, anyway: bool = False
) -> Solution:
    """The solution, after an attempt that was judged, or `anyway`; that it was opened is remembered."""
    if not anyway and not progress.exercise(exercise.id)["attempts"]:
        return Solution(
            exercise.id, "", "", "Try first: it opens after one check, or when you ask for it anyway."
        )
    progress.opened_solution(exercise.id)
    return Solution(exercise.id, difference(lesson, exercise, labs.folder(lesson)), exercise.why)


def difference(lesson: Lesson, exercise: Exercise, mine: Path) -> str:
    """A unified diff from the files in `mine` to the reference answer, exercise files only."""
    reference, start = lesson.folder / "solution", lesson.folder / "lab"
    names = dict.fromkeys([*chosen(exercise, start), *chosen(exercise, reference), *chosen(exercise, mine)])
    parts: list[str] = []
    for name in names:
        right = reference / name if (reference / name).exists() else start / name
        before, after = _lines(mine / name), _lines(right)
        parts += difflib.unified_diff(before, after, f"yours/{name}", f"solution/{name}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in parts)


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines(keepends=True) if path.is_file() else []
