"""Running the tools of the set-up, and reading what went wrong out of their output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dockyard.errors import UserError


def run(
    command: Sequence[str | Path],
    failure: str,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """The output of `command`; if it fails, a UserError with `failure` and advice fitting the output."""
    words = [os.fspath(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        raise UserError(
            f"{failure}: {words[0]}: {error.strerror}", "Remove .venv and run the command again."
        ) from error
    if done.returncode:
        tail = "\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-8:])
        raise UserError(f"{failure}\n{tail}", advise(done.stdout))
    return done.stdout


def advise(output: str) -> str:
    """What to do about a failed tool, judged by what it printed."""
    text = output.lower()
    for marks, advice in _ADVICE:
        if any(mark in text for mark in marks):
            return advice
    return "Run the same command again: what is done stays done. If it fails again, remove .venv first."


_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no space left", "disk quota", "enospc"),
        "The disk is full: set-up needs about 1 GB. Free some, or set DOCKYARD_VENV to another disk.",
    ),
    (
        ("ensurepip is not", "ensurepip", "python3-venv"),
        "Your Python has no venv: on Debian or Ubuntu `sudo apt install python3-venv`, then run it again.",
    ),
    (
        ("read-only file system", "permission denied"),
        "Clone into a directory that you can write to, or set DOCKYARD_VENV to one that you can.",
    ),
    (
        ("hash mismatch", "hashes", "mismatch"),
        "A package differs from the lock: a cache or mirror is damaged. Try `pip cache purge`, then this.",
    ),
    (
        (
            "name resolution",
            "connection",
            "network",
            "timed out",
            "timeout",
            "dns error",
            "failed to fetch",
            "no matching distribution",
            "certificate",
            "proxy",
        ),
        "The first set-up needs a package index: check the network (proxy: HTTPS_PROXY; mirror: `pip config "
        "set global.index-url URL`) and run it again; what is downloaded stays. Later no network is needed.",
    ),
    (
        ("no solution found", "unsatisfiable", "requires-python"),
        "No package fits this machine: set DOCKYARD_PYTHON to a Python 3.11 to 3.13 on glibc Linux.",
    ),
)
