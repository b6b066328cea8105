"""One set-up at a time: a lock on the virtual environment's place that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.errors import explain
from dockyard.setup.report import say


@contextmanager
def exclusive(venv: Path) -> Iterator[None]:
    """Hold the lock for `venv`; if another set-up holds it, say so and wait until it has ended."""
    path = venv.with_name(venv.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        problem = explain(error, f"cannot set up in {path.parent}")
        problem.advice = (
            "Clone into a directory that you can write to, or set DOCKYARD_VENV to one that you can."
        )
        raise problem from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this clone is running; waiting for it ...")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
