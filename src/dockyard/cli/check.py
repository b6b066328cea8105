"""`dockyard check`: judge an exercise on the live system."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dockyard.cli._options import answer, json_option
from dockyard.exercises.answers import Labs
from dockyard.exercises.lesson import Course
from dockyard.exercises.progress import Progress
from dockyard.exercises.referee import referee
from dockyard.home import Home


@click.command("check")
@click.argument("exercise")
@click.option(
    "--answers",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Judge the files in this folder (an overlay on the start) instead of yours.",
)
@click.option("--start", is_flag=True, help="Judge the untouched start.")
@click.option("--namespace", default="", help="Judge in this namespace instead of the exercise's own.")
@json_option
def command(exercise: str, answers: Path | None, start: bool, namespace: str, as_json: bool) -> None:
    """Judge EXERCISE (for example 06.1) by what the system does with your files.

    Starts the platform if need be. Progress goes to standard error, the verdict to standard output.
    Exit status: 0 passed, 1 failed, 2 could not be judged.
    """
    home = Home.find()
    lesson, found = Course.find().exercise(exercise)
    labs = Labs.find(home=home)
    own = answers is None and not start
    if own:
        labs.give_out(lesson)
        answers = labs.folder(lesson)
    if not as_json:
        click.echo(f"Checking {found.id} ({found.title}); it takes up to {found.seconds:.0f} s.", err=True)
    verdict = referee(
        found,
        None if start else answers,
        course=labs.course.root,
        home=home,
        namespace=namespace,
        say=lambda step: click.echo(f"  {step}", err=True),
    )
    if own and verdict.findings:
        Progress.find(home).attempted(verdict)
    answer(json.loads(json.dumps(verdict.as_dict())), verdict.text(), as_json=as_json)
    raise click.exceptions.Exit(verdict.exit_status)
