"""The runner fails the cells that Jupyter would let pass: the traps, each sprung."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.execute import Run, cleaned, execute

TASK = """
import asyncio
async def fail():
    raise ValueError("in a task")
task = asyncio.create_task(fail())
"""
THREAD = """
import threading
def fail():
    raise ValueError("in a thread")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""
SEEN = """
import asyncio
async def fail():
    raise ValueError("seen")
task = asyncio.create_task(fail())
try:
    await task
except ValueError:
    print("handled")
"""


def cell(source: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"c{abs(hash(source))}",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source.strip(),
        "execution_count": None,
        "outputs": [],
    }


def run(tmp_path: Path, *cells: dict[str, Any], limit: float = 60) -> Run:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    env = {"DOCKYARD_HOME": str(tmp_path / "home"), "IPYTHONDIR": str(tmp_path / "ipython")}
    return execute(notebook, "test", folder=tmp_path, env=env, limit=limit)


def test_every_trap_fails_its_cell_and_honest_cells_pass(tmp_path: Path) -> None:
    traps = {
        "!false": "exit code 1",
        "!false | cat": "exit code 1",
        "lines = !false": "exit code 1",
        "%%bash\nfalse\ntrue": "exit code 1",
        "%%sh\nfalse\ntrue": "exit code 1",
        "%nosuchmagic": "not found",
        "%%nosuchmagic\nbody": "not found",
        TASK: "in a task",
        THREAD: "in a thread",
        "1 / 0": "division by zero",
    }
    honest = [
        "1 + 1",
        "!true",
        "word = 'x'\n!test {word} = x",
        "%%bash\ntrue",
        SEEN,
        "await __import__('asyncio').sleep(0)",
    ]
    done = run(tmp_path, *map(cell, traps), *map(cell, honest))
    assert done.cells == len(traps) + len(honest)
    assert [timing.source for timing in done.timings][-1] == honest[-1]
    assert len(done.timings) == done.cells
    found = {failure.cell: failure.reason for failure in done.failures}
    assert sorted(found) == list(range(1, len(traps) + 1)), found
    for number, says in enumerate(traps.values(), 1):
        assert says in found[number]


def test_an_unknown_magic_as_the_first_error_does_not_hang_the_kernel(tmp_path: Path) -> None:
    done = run(tmp_path, cell("%nosuchmagic"), cell("1 + 1"), limit=20)
    assert [failure.cell for failure in done.failures] == [1]


def test_a_cell_that_is_meant_to_fail_may(tmp_path: Path) -> None:
    assert run(tmp_path, cell("!false", "raises-exception"), cell("1 + 1")).passed


def test_a_dead_kernel_is_noticed_at_once(tmp_path: Path) -> None:
    done = run(tmp_path, cell("import os; os._exit(3)"), cell("1 + 1"))
    assert done.failures[0].reason == "the kernel died"
    assert "1 cells were not executed" in done.failures[1].reason


def test_a_cell_that_does_not_end_is_ended(tmp_path: Path) -> None:
    done = run(tmp_path, cell("import time; time.sleep(600)"), cell("1 + 1"), limit=2)
    assert "did not end within 2 s" in done.failures[0].reason


def test_a_notebook_without_code_proves_nothing(tmp_path: Path) -> None:
    assert not run(tmp_path).passed


@pytest.mark.parametrize("passed", [True, False])
def test_a_verdict_that_does_not_pass_fails_the_run(tmp_path: Path, passed: bool) -> None:
    source = f"""
from IPython.display import display
from dockyard.exercises.finding import Finding
from dockyard.exercises.verdict import Verdict
from dockyard.views.verdict import show_verdict
display(show_verdict(Verdict("90.1", (Finding("a", "a is so", {passed}),))))
"""
    done = run(tmp_path, cell(source))
    assert [verdict.passed for verdict in done.verdicts] == [passed]
    assert done.passed is passed


def test_stored_outputs_hold_no_trace_of_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, cell("for word in 'ab':\n    print(word, flush=True)\n'c'"))
    stored = cleaned(done.notebook)["cells"][0]
    assert stored["outputs"][0]["text"] == ["a\n", "b\n"]
    assert set(stored) == {"cell_type", "id", "metadata", "source", "execution_count", "outputs"}
    assert stored["metadata"] == {}
