"""Runs one of the learner's own tools (kubectl, python) and reports failure in the tool's words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# `subprocess` belongs to the runtime; these are clients on the learner's side of the wire, not containers.


class CommandFailed(Exception):
    """A tool ended with an error or not at all; the message is what it said, `code` its exit code or None."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def tool_path() -> str:
    """$PATH with the directory of our own interpreter first, where pip put kubectl and the others."""
    own = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return path if own in path.split(os.pathsep) else own + os.pathsep + path


def run(
    argv: Sequence[str], *, env: Mapping[str, str], within: float, cwd: Path | None = None, text: str = ""
) -> str:
    """Run `argv` with `text` on standard input; return its standard output.

    Raises CommandFailed with its standard error, or after `within` seconds, when it is killed.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PATH": tool_path(), **env},
            cwd=cwd,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}") from error
    try:
        out, err = process.communicate(text, timeout=max(within, 0.1))
    except subprocess.TimeoutExpired as error:
        # What it started itself dies with the judge's process group, which the referee ends.
        process.kill()
        try:
            process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            pass  # a grandchild holds the pipes; nobody reads them any more
        raise CommandFailed(f"{Path(argv[0]).name} did not end within {within:.0f} s") from error
    if process.returncode:
        raise CommandFailed((err or out).strip() or f"exit code {process.returncode}", process.returncode)
    return out
