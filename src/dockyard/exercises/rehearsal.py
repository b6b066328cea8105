"""Puts an exercise on stage for the learner: live, with the files as they are, to look at and to break."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from dockyard.backends import Backend
from dockyard.exercises.answers import assemble, chosen
from dockyard.exercises.command import CommandFailed
from dockyard.exercises.composed import remove as remove_project
from dockyard.exercises.containers import Containers
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.faults import Faults
from dockyard.exercises.imagenames import names_on, rename_in
from dockyard.exercises.lesson import Lesson
from dockyard.exercises.places import holds, live_on, note_on_stage, out_of_reach, room, stage_on
from dockyard.exercises.provide import provide_on
from dockyard.home import Home

Say = Callable[[str], None]


def is_on_stage(exercise: Exercise, backend: Backend) -> bool:
    """Whether anything of it runs already."""
    if exercise.on != "cluster":
        return True  # there is nothing that would have to run before the learner begins
    if not holds(backend, exercise):
        return False
    live = live_on(backend, exercise.namespace)
    return bool(live.list("deployments") or live.list("services") or live.pods())


def rehearse(
    lesson: Lesson, exercise: Exercise, answers: Path, *, backend: Backend, home: Home, say: Say
) -> str:
    """Stage the exercise and apply the learner's files; what kubectl said, or its complaint about them.

    Raises StageFailed, CommandFailed or ApiFailed when the stage itself can't be set.
    """
    if exercise.on == "compose":
        return take_down(exercise, backend)
    if exercise.on != "cluster":
        return ""
    if reason := out_of_reach(backend, exercise):
        return f"nothing: {reason}"
    provide_on(backend, lesson, say)
    Faults.of(backend, home).restore_all(room(backend, exercise.namespace))
    stage = stage_on(backend, exercise.namespace)
    note_on_stage(backend, exercise)
    with tempfile.TemporaryDirectory(prefix="dockyard-stage-") as scratch:
        folder = assemble(lesson, Path(scratch) / "answers", answers, exercise=exercise)
        rename_in(folder, names_on(backend, lesson))
        if exercise.fresh:
            stage.prepare(exercise, folder, say)
        else:
            # The check looks at what the learner does here, so the stage holds the course's own start.
            stage.ensure()
            stage.clear()
        say("applying your files")
        try:
            return stage.apply(
                folder, [path for path in chosen(exercise, folder) if (folder / path).is_file()]
            )
        except CommandFailed as error:
            return str(error)


def take_down(exercise: Exercise, backend: Backend) -> str:
    """Remove the learner's own project of an exercise. Raises CommandFailed."""
    engine = Containers(backend, exercise.namespace)
    try:
        remove_project(engine.client, exercise.namespace)
    finally:
        engine.close()
    return f"nothing of the project {exercise.namespace} is left; bring it up with docker compose"
