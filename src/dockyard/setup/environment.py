"""The virtual environment: made once, filled from the locks, with the clone's own source on its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dockyard.setup.pipconfig import uv_environment
from dockyard.setup.report import say, step
from dockyard.setup.run import run
from dockyard.setup.stamp import Stamps, digest


class Environment:
    """One clone's virtual environment. Every method may be called again and does only what is missing."""

    def __init__(self, project: Path, venv: Path) -> None:
        self.project = project
        self.venv = venv
        self.python = venv / "bin" / "python"
        self.locks = project / "locks"
        self.stamps = Stamps(venv)

    @classmethod
    def of_this_interpreter(cls, project: Path) -> Environment | None:
        """The environment that runs this code, if a set-up of `project` made it; None otherwise."""
        environment = cls(project, Path(sys.prefix))
        return environment if environment.stamps.file.exists() else None

    def create(self) -> None:
        """An empty environment of this interpreter; one that is half made, moved or dangling is made anew."""
        made_for = f"{self.project} {self.venv} {sys.version_info[:2]}"
        if self.stamps.holds("venv", made_for) and self.python.exists():
            return
        with step(f"making {self.venv} with Python {sys.version.split()[0]}"):
            if self.venv.exists():
                shutil.rmtree(self.venv)
            run([sys.executable, "-m", "venv", self.venv], "cannot make the virtual environment")
            self._link_source()
            self.stamps.put("venv", made_for)

    def _link_source(self) -> None:
        """Let the environment import the clone's source, and find `dockyard` on its PATH."""
        (site,) = (self.venv / "lib").glob("python3.*/site-packages")
        (site / "dockyard.pth").write_text(f"{self.project / 'src'}\n")
        command = self.venv / "bin" / "dockyard"
        command.write_text(f'#!/bin/sh\nexec "{self.project}/dockyard" "$@"\n')
        command.chmod(0o755)

    def install(self, groups: Sequence[str]) -> None:
        """Bring the packages of the locks of `groups` into the environment, exactly as locked."""
        locks = [self.locks / f"{group}.txt" for group in groups]
        for group, lock in zip(groups, locks, strict=True):
            if self.stamps.holds(group, digest(lock)):
                continue
            with step(f"installing the packages of locks/{group}.txt"):
                self._install(lock)
                self.stamps.put(group, digest(lock))

    def _install(self, lock: Path) -> None:
        uv = self._uv()
        if uv is None:
            self.pip(["install", "--no-deps", "--require-hashes", "-r", lock], f"cannot install {lock.name}")
            return
        listing = self.pip(["config", "list"], "cannot read pip's configuration")
        command: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--python",
            self.python,
            "--no-deps",
            "--require-hashes",
        ]
        command += ["--compile-bytecode", "-r", lock]
        run(command, f"cannot install the packages of {lock.name}", uv_environment(listing, os.environ))

    def _uv(self) -> Path | None:
        """uv, which installs ten times as fast as pip; None where no wheel of it fits this machine."""
        uv = self.venv / "bin" / "uv"
        if not uv.exists():
            lock = self.locks / "setup.txt"
            done = subprocess.run(
                [self.python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", lock],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                say("uv cannot be had here, so pip does its work, more slowly")
                return None
        return uv

    def pip(self, arguments: Sequence[str | Path], failure: str) -> str:
        """Run the environment's pip and return its output; raises UserError with `failure`."""
        command = [self.python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        return run(command, failure)
