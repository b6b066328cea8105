"""`dockyard build`: render course/ into notebooks/, labs/ and solutions/."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import click

from dockyard.build import chosen, drift, dumps, put, write
from dockyard.cli._backend import bring_up
from dockyard.cli._options import answer, json_option
from dockyard.cli.run import report, run_lessons
from dockyard.errors import EXIT_NO, UserError
from dockyard.execute import cleaned
from dockyard.exercises.exercise import Mistake
from dockyard.exercises.lesson import Course, Lesson
from dockyard.home import Home


@click.command("build")
@click.argument("lessons", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; say what is not as the build would leave it.")
@click.option(
    "--execute", is_flag=True, help="Also run the solutions on the live system and store their outputs."
)
@json_option
def command(lessons: tuple[str, ...], check: bool, execute: bool, as_json: bool) -> None:
    """Render LESSONS (all by default) from course/ into notebooks/, labs/ and solutions/.

    Your files in labs/ are never overwritten. Exit status: 0 done, or nothing has drifted; 1 something has
    drifted, or a solution failed; 4 a lesson can't be read.
    """
    course = Course.find()
    try:
        wanted = chosen(course, lessons)
        if check:
            found = drift(course, wanted)
            text = "\n".join(found) or f"{len(wanted)} lessons: everything is as the build leaves it."
            answer({"lessons": len(wanted), "drift": found}, text, as_json=as_json)
            raise click.exceptions.Exit(EXIT_NO if found else 0)
        changed = [str(path.relative_to(course.root)) for path in write(course, wanted)]
    except Mistake as error:
        raise UserError(str(error), "course/README.md shows how a lesson is written.") from error
    if execute:
        if any(lesson.head["platform"] for lesson in wanted):
            bring_up(Home.find())
        failed = store_outputs(course, wanted, as_json)
        raise click.exceptions.Exit(EXIT_NO if failed else 0)
    text = "\n".join([*changed, f"{len(wanted)} lessons rendered, {len(changed)} files changed."])
    answer({"lessons": len(wanted), "changed": changed}, text, as_json=as_json)


def store_outputs(course: Course, lessons: Sequence[Lesson], as_json: bool) -> bool:
    """Run the solutions where they lie and keep their outputs; whether one failed, which then is not kept."""
    folder = course.root / "solutions"
    with tempfile.TemporaryDirectory(prefix="dockyard-build-") as scratch:
        env = {"DOCKYARD_ANSWERS": str(folder), "DOCKYARD_PROGRESS": scratch, "DOCKYARD_SOLUTIONS": "1"}
        runs = run_lessons(lessons, folder=folder, env=env)
    for lesson, run in zip(lessons, runs, strict=True):
        if run.passed:
            put(folder / f"{lesson.name}.ipynb", dumps(cleaned(run.notebook)))
    report(runs, as_json=as_json)
    return not all(run.passed for run in runs)
