"""The command `docker`, for machines without one: the distribution's, fetched with apt as a plain user.

No wheel holds it, and of Docker only the client is wanted: our engine is the other half.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dockyard.errors import UserError
from dockyard.setup.apt import Apt
from dockyard.setup.environment import Environment
from dockyard.setup.report import say, step

# Newer releases have the client in a package of its own; older ones together with the engine (40 MB).
PACKAGES = ("docker-cli", "docker.io")


def fetch_if_needed(environment: Environment) -> None:
    """Put `docker` into the environment's bin/ unless this machine has one on $PATH or it is there.

    Never fails the set-up: the docker SDK does without, and `doctor` says what is missing. `docker` then
    comes with the next set-up that finds a network. $DOCKYARD_FETCH_DOCKER fetches it in any case.
    """
    command = environment.venv / "bin" / "docker"
    if works(command):
        return
    own = shutil.which("docker", path=_path_without(environment.venv / "bin"))
    if own and not os.environ.get("DOCKYARD_FETCH_DOCKER"):
        return
    try:
        with step("fetching the docker command line, because this machine has none"):
            fetch(environment.stamps.directory / "docker")
        command.unlink(missing_ok=True)
        command.symlink_to(environment.stamps.directory / "docker" / "docker")
    except (UserError, OSError) as error:
        say(f"the docker command line can't be had: {error}")
        say("dockyard works without it, with the docker SDK: `./dockyard doctor` says what to do")


def works(command: Path) -> bool:
    """Whether `command` is a docker client that runs here."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def fetch(target: Path) -> None:
    """Download the client into the directory `target`, whole or not at all. Raises UserError."""
    work = target.with_name("docker.part")
    apt = Apt(work)
    apt.update()
    try:
        apt.download(PACKAGES[:1])
    except UserError:
        apt.download(PACKAGES[1:])
    program = apt.unpack() / "usr" / "bin" / "docker"
    if not works(program):
        raise UserError("the distribution's docker does not run here")
    done = work / "done"
    done.mkdir()
    shutil.move(program, done / "docker")
    shutil.rmtree(target, ignore_errors=True)
    done.rename(target)
    shutil.rmtree(work)


def _path_without(directory: Path) -> str:
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(place for place in known if Path(place) != directory)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]).absolute())
