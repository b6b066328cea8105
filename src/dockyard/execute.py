"""Executes a lesson's notebook top to bottom on the live backend, strictly; says what went wrong where."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.build import Notebook, dumps, render
from dockyard.errors import UserError
from dockyard.exercises.lesson import Lesson
from dockyard.exercises.verdict import Verdict
from dockyard.views.page import VERDICT

MARGIN_SECONDS = 60.0  # what a cell may take besides the check in it
CELL_SECONDS = 180.0


@dataclass(frozen=True)
class Failure:
    """One cell that did not do what it should. `cell` counts code cells from 1; `reason` is a sentence."""

    cell: int
    source: str
    reason: str


@dataclass(frozen=True)
class Timing:
    """How long one code cell took; `source` is its first line."""

    source: str
    seconds: float


@dataclass
class Run:
    """What became of one notebook; `timings` has a row for each cell that was executed."""

    lesson: str
    cells: int = 0
    seconds: float = 0.0
    timings: list[Timing] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notebook: Notebook = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.failures and self.cells > 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "lesson": self.lesson,
            "cells": self.cells,
            "seconds": round(self.seconds, 1),
            "passed": self.passed,
            "timings": [
                {"source": one.source[:60], "seconds": round(one.seconds, 2)} for one in self.timings
            ],
            "failures": [failure.__dict__ for failure in self.failures],
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
        }


Say = Callable[[int, int, str], None]  # cell number, how many there are, its first line


def execute_lesson(
    lesson: Lesson, *, folder: Path, env: Mapping[str, str], say: Say = lambda *_: None
) -> Run:
    """Execute a lesson's notebook in `folder` with `env` added to the kernel's environment."""
    longest = max((item.seconds for item in lesson.exercises), default=0.0)
    limit = max(CELL_SECONDS, longest + MARGIN_SECONDS)
    return execute(render(lesson), lesson.id, folder=folder, env=env, limit=limit, say=say)


def execute(
    notebook: Notebook,
    name: str,
    *,
    folder: Path,
    env: Mapping[str, str],
    limit: float = CELL_SECONDS,
    say: Say = lambda *_: None,
) -> Run:
    """Execute every code cell, also after one has failed; `limit` is the seconds that each may take.

    A failed check is a failure like an exception: its verdict travels in the cell's outputs. Raises UserError
    when no kernel can be started.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    document: Any = nbformat.reads(dumps(notebook), as_version=4)  # type: ignore[no-untyped-call]
    run = Run(name)
    code = [index for index, cell in enumerate(document.cells) if cell.cell_type == "code"]
    client = NotebookClient(
        document,
        timeout=int(limit),
        interrupt_on_timeout=False,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        # A cell that raised must not hide what the next ones do; what is tagged may raise.
        allow_errors=False,
        extra_arguments=[
            "--InteractiveShellApp.extra_extensions=dockyard.views.strict",
            "--IPKernelApp.log_level=40",  # its warnings are about remote kernels
        ],
    )
    started = time.monotonic()
    try:
        with client.setup_kernel(env={**os.environ, **env, "DOCKYARD_STRICT": "1"}, cwd=str(folder)):
            for number, index in enumerate(code, 1):
                cell = document.cells[index]
                head = cell.source.strip().splitlines()[0] if cell.source.strip() else ""
                say(number, len(code), head)
                run.cells += 1
                began = time.monotonic()
                try:
                    client.execute_cell(cell, index, execution_count=number)
                except CellExecutionError as error:
                    run.failures.append(Failure(number, head, f"{error.ename}: {error.evalue}".strip()))
                except CellTimeoutError:
                    run.failures.append(Failure(number, head, f"did not end within {limit:.0f} s"))
                    break  # the kernel is busy with it; what follows could only wait for it
                except DeadKernelError:
                    run.failures.append(Failure(number, head, "the kernel died"))
                    break
                finally:
                    run.timings.append(Timing(head, time.monotonic() - began))
                for verdict in verdicts(cell):
                    run.verdicts.append(verdict)
                    if verdict.passed is not True and not verdict.out_of_reach:
                        run.failures.append(Failure(number, head, verdict.headline()))
    except (RuntimeError, OSError) as error:
        raise UserError(
            f"no kernel can be started: {error}", "`dockyard doctor` checks the set-up."
        ) from error
    run.seconds = time.monotonic() - started
    if not run.cells:
        run.failures.append(Failure(0, "", "the notebook has no code cell: nothing was proved"))
    elif run.cells < len(code):
        run.failures.append(Failure(run.cells + 1, "", f"{len(code) - run.cells} cells were not executed"))
    run.notebook = document
    return run


def verdicts(cell: Any) -> list[Verdict]:
    """The verdicts that a cell shows."""
    found = (output.get("data", {}).get(VERDICT) for output in cell.get("outputs", ()))
    return [Verdict.from_dict(item) for item in found if item]


def cleaned(notebook: Any) -> Notebook:
    """An executed notebook as it is stored: without times of execution and other traces of the run."""
    cells = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        kept = {key: cell[key] for key in ("cell_type", "id", "source")}
        kept["metadata"] = {"tags": list(tags)} if tags else {}
        if isinstance(kept["source"], str):
            kept["source"] = kept["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            kept["execution_count"] = cell["execution_count"]
            kept["outputs"] = [_kept_output(output) for output in _joined(cell["outputs"])]
        cells.append(kept)
    return {**{key: notebook[key] for key in ("metadata", "nbformat", "nbformat_minor")}, "cells": cells}


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Text of one stream that came in pieces as one output, as a front end would have shown it."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" == last.get("output_type") and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            joined.append(dict(output))
    return joined


def _kept_output(output: Any) -> dict[str, Any]:
    """Text as lists of lines, as Jupyter writes it; no display ids, which are random."""
    kept = {key: value for key, value in dict(output).items() if key != "transient"}
    if isinstance(kept.get("text"), str):
        kept["text"] = kept["text"].splitlines(keepends=True)
    if "data" in kept:
        kept["data"] = {
            mime: value.splitlines(keepends=True)
            if isinstance(value, str) and mime.startswith("text/")
            else value
            for mime, value in dict(kept["data"]).items()
        }
    if "metadata" in kept:
        kept["metadata"] = dict(kept["metadata"])
    return kept
