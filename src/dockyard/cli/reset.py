"""`dockyard reset`: an exercise back to its start, with a backup of what was there."""

from __future__ import annotations

import sys

import click

from dockyard.cli._onstage import put_on_stage
from dockyard.cli._options import answer, json_option
from dockyard.errors import EXIT_NO, UserError
from dockyard.exercises.answers import Labs
from dockyard.exercises.lesson import Course
from dockyard.home import Home


@click.command("reset")
@click.argument("exercise")
@click.option("--yes", is_flag=True, help="Put your changed files back without asking.")
@click.option("--keep-files", is_flag=True, help="Only the live system; your files stay as they are.")
@json_option
def command(exercise: str, yes: bool, keep_files: bool, as_json: bool) -> None:
    """Bring EXERCISE (for example 06.1) back to its start: your files, and the live system.

    Asks before it puts changed files back, and keeps them in labs/.backup. Exit status: 0 done, 1 refused.
    """
    home = Home.find()
    lesson, found = Course.find().exercise(exercise)
    labs = Labs.find(home=home)
    labs.give_out(lesson)
    changed = [] if keep_files else [str(name) for name in labs.changed(lesson, found)]
    backup = None
    if changed:
        if not yes and not confirmed(changed, as_json):
            click.echo("Nothing was changed.", err=True)
            raise click.exceptions.Exit(EXIT_NO)
        backup = labs.put_back(lesson, found)
    said = put_on_stage(lesson, found, home, anew=True)
    text = f"{found.id} is at its start."
    if backup is not None:
        text += f" What you had is kept in {backup}."
    document = {"exercise": found.id, "files": changed, "backup": str(backup or ""), "applied": said}
    answer(document, "\n".join(part for part in (text, said) if part), as_json=as_json)


def confirmed(changed: list[str], as_json: bool) -> bool:
    """Ask the person at the terminal. Raises UserError where nobody can answer."""
    if as_json or not sys.stdin.isatty():
        raise UserError(
            f"you have changed {', '.join(changed)}, and a reset puts the start in their place",
            "Add --yes (a backup is kept), or --keep-files to reset the live system only.",
            code=EXIT_NO,
        )
    return click.confirm(f"Put {', '.join(changed)} back to the start? A backup is kept.", err=True)
