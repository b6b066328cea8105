"""`python -m dockyard.setup`: what the launcher runs when something is missing or the lock has changed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dockyard.errors import UserError, explain
from dockyard.setup import docker_cli, proot, wheelhouse
from dockyard.setup.environment import Environment
from dockyard.setup.lock import exclusive
from dockyard.setup.report import say, step
from dockyard.setup.stamp import write_atomically

NEEDED_BYTES = 1_200_000_000


def main() -> int:
    """Set up what is missing; 0 when all is there, 4 (and what to do) when something is in the way."""
    parser = argparse.ArgumentParser(prog="python -m dockyard.setup", description=__doc__)
    parser.add_argument("--project", type=Path, required=True, help="the clone")
    parser.add_argument("--venv", type=Path, required=True, help="where the virtual environment goes")
    parser.add_argument("--group", action="append", default=[], help="also install locks/GROUP.txt")
    options = parser.parse_args()
    try:
        set_up(Environment(options.project.resolve(), options.venv.absolute()), options.group)
    except UserError as error:
        say(f"set-up stopped: {error.message}")
        if error.advice:
            say(error.advice)
        return error.code
    except OSError as error:
        problem = explain(error, "set-up stopped")
        say(problem.message)
        say(problem.advice or "Run the same command again: what is done stays done.")
        return problem.code
    except KeyboardInterrupt:
        say("stopped; the next start goes on from here")
        return 130
    return 0


def set_up(environment: Environment, groups: list[str]) -> None:
    """Do every step that is not done. Raises UserError or OSError; a second call resumes."""
    started = time.monotonic()
    with exclusive(environment.venv):
        if not environment.stamps.file.exists():
            say("first start: setting up, once, in about a minute")
            check_space(environment.venv.parent)
        environment.create()
        environment.install(["course", *groups])
        wheelhouse.fill(environment)
        proot.fetch_if_needed(environment)
        docker_cli.fetch_if_needed(environment)
        compile_source(environment)
        shutil.copy(environment.locks / "course.txt", environment.stamps.directory)
        shutil.copy(environment.locks / "wheelhouse.txt", environment.stamps.directory)
        write_atomically(environment.stamps.directory / "ready", f"{environment.project}\n")
    say(f"set-up is complete ({time.monotonic() - started:.1f} s)")


def check_space(place: Path) -> None:
    """Refuse to begin on a disk that can't hold the result."""
    free = shutil.disk_usage(place).free
    if free < NEEDED_BYTES:
        raise UserError(
            f"{free // 1_000_000} MB are free on the disk of {place}; it takes {NEEDED_BYTES // 1_000_000}",
            "Free some space, or set DOCKYARD_VENV to a directory on another disk.",
        )


def compile_source(environment: Environment) -> None:
    """Compile the platform once, here, so that the first `up` needn't; harmless where that can't be."""
    source = environment.project / "src" / "dockyard"
    if os.access(source, os.W_OK):
        with step("compiling the platform"):
            subprocess.run([environment.python, "-m", "compileall", "-q", source], capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
