"""course/ -> notebooks/, labs/ and solutions/: renders lessons, deterministically, and says what has drifted.

| derived | from | by |
|---|---|---|
| notebooks/NAME.ipynb | course/NAME/lesson.md | `dockyard build` |
| solutions/NAME.ipynb | the same, with outputs of a run on the reference answers | `build --execute` |
| solutions/NAME/ | course/NAME/lab and course/NAME/solution | `dockyard build` |
| labs/NAME/ | course/NAME/lab, missing files only | `dockyard build` |
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dockyard.errors import UserError
from dockyard.exercises.answers import Labs, files_in, lay_over
from dockyard.exercises.lesson import Course, Lesson

Notebook = dict[str, Any]
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
NO_LESSONS = UserError(
    "there are no lessons", "Run this in a clone of the repository: lessons are course/*/lesson.md."
)


def render(lesson: Lesson) -> Notebook:
    """The lesson as a notebook without outputs; the same text always gives the same bytes."""
    import jupytext

    parsed = jupytext.reads((lesson.folder / "lesson.md").read_text(), fmt="md:myst")
    seen: Counter[str] = Counter()
    cells = [_cell(cell, seen) for cell in parsed.cells]
    metadata = {
        "dockyard": {"lesson": lesson.id, "source": f"course/{lesson.name}/lesson.md"},
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
        "title": lesson.title,
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(cell: Any, seen: Counter[str]) -> dict[str, Any]:
    """One cell; its id comes from its text, so that it stays when other cells move."""
    digest = hashlib.sha1(cell.source.encode(), usedforsecurity=False).hexdigest()[:8]
    seen[digest] += 1
    made: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "id": f"{digest}-{seen[digest]}",
        "metadata": {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {},
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.cell_type == "code":
        made |= {"execution_count": None, "outputs": []}
    return made


def dumps(notebook: Notebook) -> str:
    """As Jupyter writes it, so that opening and saving changes nothing."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def essence(notebook: Notebook) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """What a derived notebook must share with its source: ids, types, sources and tags of its cells."""
    return [
        (
            str(cell.get("id")),
            cell["cell_type"],
            "".join(cell["source"]),
            tuple(cell["metadata"].get("tags", ())),
        )
        for cell in notebook["cells"]
    ]


def chosen(course: Course, wanted: Sequence[str]) -> tuple[Lesson, ...]:
    """The lessons named, or all of them. Raises UserError when there are none."""
    if not course.lessons:
        raise NO_LESSONS
    return tuple(course.lesson(name) for name in wanted) or course.lessons


def write(course: Course, lessons: Sequence[Lesson]) -> list[Path]:
    """Render `lessons`; the files that changed. Learners' files are never touched, outputs of solutions stay
    as long as their cells do."""
    changed: list[Path] = []
    for lesson in lessons:
        notebook = render(lesson)
        changed += put(course.root / "notebooks" / f"{lesson.name}.ipynb", dumps(notebook))
        target = course.root / "solutions" / f"{lesson.name}.ipynb"
        changed += put(target, dumps(with_outputs(notebook, _read(target))))
        changed += write_answers(lesson, course.root / "solutions" / lesson.name)
        changed += Labs.find(course).give_out(lesson)
    for stale in _strangers(course):
        stale.unlink()
        changed.append(stale)
    return changed


def write_answers(lesson: Lesson, target: Path) -> list[Path]:
    """The complete reference answer as files; what no longer belongs there goes."""
    before = {name: (target / name).read_bytes() for name in files_in(target)} if target.is_dir() else {}
    if target.is_dir():
        shutil.rmtree(target)
    for source in (lesson.folder / "lab", lesson.folder / "solution"):
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            lay_over(source, target)
    after = {name: (target / name).read_bytes() for name in files_in(target)} if target.is_dir() else {}
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return [target / name for name in sorted(names)]


def with_outputs(notebook: Notebook, old: Notebook | None) -> Notebook:
    """The notebook with the outputs that `old` has for the same cells."""
    kept = {cell["id"]: cell for cell in old["cells"] if cell["cell_type"] == "code"} if old else {}
    cells = []
    for cell in notebook["cells"]:
        known = kept.get(cell["id"])
        if known is not None and cell["cell_type"] == "code" and known["source"] == cell["source"]:
            cell = {**cell, "outputs": known["outputs"], "execution_count": known["execution_count"]}
        cells.append(cell)
    return {**notebook, "cells": cells}


def drift(course: Course, lessons: Sequence[Lesson]) -> list[str]:
    """What is not as `write` would leave it, one sentence each; nothing is executed or written.

    Raises UserError when no cell was compared: a check that finds nothing proves nothing.
    """
    found: list[str] = []
    compared = 0
    for lesson in lessons:
        wanted = essence(render(lesson))
        compared += len(wanted)
        for folder in ("notebooks", "solutions"):
            path = course.root / folder / f"{lesson.name}.ipynb"
            have = _read(path)
            if have is None:
                found.append(f"{folder}/{path.name} is missing or is no notebook")
            elif (difference := _difference(wanted, essence(have))) is not None:
                found.append(f"{folder}/{path.name}: {difference}")
            elif folder == "notebooks" and any(cell.get("outputs") for cell in have["cells"]):
                found.append(f"{folder}/{path.name} stores outputs, and lessons are handed out without")
        found += _answers_drift(lesson, course.root / "solutions" / lesson.name)
    found += [f"{path.relative_to(course.root)} has no lesson in course/" for path in _strangers(course)]
    if not compared:
        raise UserError("no cell was found to compare", "A lesson.md without cells is not a lesson.")
    return found


def _difference(wanted: list[Any], have: list[Any]) -> str | None:
    if len(wanted) != len(have):
        return f"it has {len(have)} cells, its lesson.md {len(wanted)}"
    for number, (new, old) in enumerate(zip(wanted, have, strict=True), 1):
        for name, a, b in zip(("id", "type", "source", "tags"), new, old, strict=True):
            if a != b:
                return f"cell {number} differs in its {name}: {str(b)[:60]!r}, and should be {str(a)[:60]!r}"
    return None


def _answers_drift(lesson: Lesson, folder: Path) -> list[str]:
    wanted: dict[Path, bytes] = {}
    for source in (lesson.folder / "lab", lesson.folder / "solution"):
        if source.is_dir():
            wanted |= {name: (source / name).read_bytes() for name in files_in(source)}
    have = {name: (folder / name).read_bytes() for name in files_in(folder)} if folder.is_dir() else {}
    names = sorted(name for name in wanted.keys() | have.keys() if wanted.get(name) != have.get(name))
    return [f"solutions/{lesson.name}/{name} differs from the reference answer" for name in names]


def _strangers(course: Course) -> list[Path]:
    """Generated notebooks whose lesson has gone."""
    names = {lesson.name for lesson in course.lessons}
    found = [*(course.root / "notebooks").glob("*.ipynb"), *(course.root / "solutions").glob("*.ipynb")]
    return sorted(path for path in found if path.stem not in names)


def _read(path: Path) -> Notebook | None:
    try:
        notebook: Notebook = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return notebook if isinstance(notebook.get("cells"), list) else None


def put(path: Path, text: str) -> list[Path]:
    """Write a file unless it has this text already; what was written."""
    if path.is_file() and path.read_text() == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return [path]
