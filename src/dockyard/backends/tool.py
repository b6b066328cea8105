"""Runs a client program (kubectl, kind, a command of the learner's) and says in its words what went wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dockyard.errors import UserError

# What a person who lacks the program can do about it.
HOW_TO_GET = {
    "kubectl": "./dockyard sets it up: remove .venv and run ./dockyard again.",
    "kind": "Download the program from https://kind.sigs.k8s.io and put it on your PATH.",
}


class ToolFailed(UserError):
    """The program ended with an error, or did not end; `said` is why, `out` its standard output."""

    def __init__(self, said: str, out: str = "") -> None:
        super().__init__(said)
        self.said = said
        self.out = out


def search_path() -> str:
    """$PATH with the directory of our own interpreter first, where set-up put kubectl."""
    return str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", os.defpath)


def find(program: str) -> str:
    """The program's path. Raises UserError with how to get it."""
    found = shutil.which(program, path=search_path())
    if found is None:
        raise UserError(f"there is no `{program}` on the PATH", HOW_TO_GET.get(program, ""))
    return found


def run(argv: Sequence[str], *, env: Mapping[str, str], within: float, text: str = "") -> str:
    """The program's standard output, `text` being its standard input; `env` is added to ours.

    Raises ToolFailed with its standard error, or after `within` seconds, when it and its children are killed;
    UserError when there is no such program.
    """
    command = [find(argv[0]), *argv[1:]]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PATH": search_path(), **env},
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(text, timeout=within)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise ToolFailed(f"`{' '.join(argv[:3])}` did not end within {within:.0f} s") from error
    except BaseException:
        _end(process)  # Ctrl-C goes to the terminal's session, and the program is in one of its own
        raise
    if process.returncode:
        raise ToolFailed((err or out).strip() or f"`{argv[0]}` ended with {process.returncode}", out)
    return out


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
