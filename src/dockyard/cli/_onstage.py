"""Putting an exercise on stage from the command line, with errors that say what to do."""

from __future__ import annotations

import click

from dockyard.backends import choose
from dockyard.errors import UserError
from dockyard.exercises.answers import Labs
from dockyard.exercises.command import CommandFailed
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.lesson import Lesson
from dockyard.exercises.live import ApiFailed
from dockyard.exercises.rehearsal import is_on_stage, rehearse
from dockyard.exercises.stage import StageFailed
from dockyard.home import Home


def put_on_stage(lesson: Lesson, exercise: Exercise, home: Home, *, anew: bool) -> str:
    """Stage the exercise with the learner's files, unless it is; what kubectl said. Raises UserError."""
    if exercise.on == "plain":
        return ""
    backend = choose(home)
    backend.up()
    try:
        if not anew and is_on_stage(exercise, backend):
            return ""
        return rehearse(
            lesson,
            exercise,
            Labs.find(home=home).folder(lesson),
            backend=backend,
            home=home,
            say=lambda what: click.echo(f"  {what} ...", err=True),
        )
    except (StageFailed, CommandFailed, ApiFailed) as error:
        raise UserError(
            f"{exercise.id} cannot be staged: {error}", "`dockyard doctor` looks for the cause."
        ) from error
