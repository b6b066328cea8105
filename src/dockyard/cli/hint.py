"""`dockyard hint`: one hint at a time, and the solution as a difference from your files."""

from __future__ import annotations

from dataclasses import asdict

import click

from dockyard.backends import choose
from dockyard.cli._options import answer, json_option
from dockyard.errors import EXIT_NO
from dockyard.exercises.answers import Labs
from dockyard.exercises.hints import next_hint
from dockyard.exercises.hints import solution as open_solution
from dockyard.exercises.lesson import Course
from dockyard.exercises.progress import Progress
from dockyard.home import Home


@click.command("hint")
@click.argument("exercise")
@click.option("--level", type=click.IntRange(1, 3), help="This hint instead of the next one.")
@click.option("--solution", is_flag=True, help="Show the reference answer as a diff from your files.")
@click.option("--anyway", is_flag=True, help="Show the solution also before the first attempt.")
@json_option
def command(exercise: str, level: int | None, solution: bool, anyway: bool, as_json: bool) -> None:
    """Show the next of the three hints for EXERCISE (for example 06.1).

    Exit status: 0 shown, 1 the solution is withheld until you have tried.
    """
    home = Home.find()
    progress = Progress.find(home)
    lesson, found = Course.find().exercise(exercise)
    if solution:
        opened = open_solution(lesson, found, Labs.find(home=home), progress, anyway=anyway)
        text = f"{opened.why}\n\n{opened.diff or 'Your files are the same as the reference answer.'}"
        answer(asdict(opened), f"{opened.withheld} (--anyway)" if opened.withheld else text, as_json=as_json)
        raise click.exceptions.Exit(EXIT_NO if opened.withheld else 0)
    hint = next_hint(found, choose(home), progress, level, Labs.find(home=home).folder(lesson))
    answer(asdict(hint), f"Hint {hint.level} of {hint.levels}: {hint.text}", as_json=as_json)
