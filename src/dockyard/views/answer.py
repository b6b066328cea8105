"""The `%%answer FILE` magic: writes an answer file, or shows it when the cell has no text."""

from __future__ import annotations

from pathlib import Path

from dockyard.errors import UserError
from dockyard.exercises.answers import Labs
from dockyard.exercises.lesson import Lesson
from dockyard.views.page import Page, block, line


def answer(labs: Labs, lesson: Lesson, name: str, text: str, *, read_only: bool, shown: str) -> Page:
    """Write `text` to the lesson's answer file `name`, keeping the old one; else show it.

    `shown` is the folder's name in the notebook. On the solutions nothing is written. Raises UserError.
    """
    if not name:
        raise UserError("%%answer needs a file name", "For example: %%answer orders.yaml")
    place = labs.folder(lesson) / name
    if not text.strip() or read_only:
        said = "the reference answer" if read_only else f"type below %%answer {name} to replace it"
        content = place.read_text() if place.is_file() else ""
        head = f"{shown}/{name} ({said}):" if content else f"{shown}/{name} does not exist yet."
        return Page(line(head) + (block(content) if content else ""), f"{head}\n{content}".rstrip())
    backup = labs.write(lesson, name, text)
    lines = len(text.splitlines())
    head = f"Wrote {lines} lines to {shown}/{name}."
    if backup is not None:
        kept = Path(backup).relative_to(labs.root)
        head += f" What was there is kept in labs/{kept}."
    return Page(line(head), head)
