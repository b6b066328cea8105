"""`dockyard goto`: bring an exercise on stage and show its task."""

from __future__ import annotations

import click

from dockyard.cli._onstage import put_on_stage
from dockyard.cli._options import answer, json_option
from dockyard.exercises.answers import Labs
from dockyard.exercises.lesson import Course
from dockyard.home import Home


@click.command("goto")
@click.argument("exercise")
@json_option
def command(exercise: str, as_json: bool) -> None:
    """Bring EXERCISE (for example 06.1) on stage, unless it is there, and show its task.

    Exit status 0; 4 when it can't be staged.
    """
    home = Home.find()
    lesson, found = Course.find().exercise(exercise)
    labs = Labs.find(home=home)
    labs.give_out(lesson)
    said = put_on_stage(lesson, found, home, anew=False)
    folder = labs.folder(lesson)
    files = [str(folder / name) for name in found.files]
    document: dict[str, object] = {
        "exercise": found.id,
        "title": found.title,
        "task": found.task,
        "files": files,
        "namespace": found.place,
        "seconds": found.seconds,
        "applied": said,
    }
    lines = [f"{found.id} · {found.title}", "", found.task, ""]
    lines += [f"Your files: {', '.join(files)}"] if files else []
    lines += [f"Namespace: {document['namespace']}"] if document["namespace"] else []
    lines += [said] if said else []
    answer(document, "\n".join(lines), as_json=as_json)
