"""The command line as a learner runs it: another process, in a home of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dockyard.home import Home


@dataclass
class CommandLine:
    """Runs `dockyard` for one home."""

    home: Home
    environ: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        return os.environ | {"DOCKYARD_HOME": str(self.home.root)} | self.environ | more

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "dockyard", *arguments]
        return subprocess.run(
            command, env=self.environment(**more), capture_output=True, text=True, timeout=100, check=False
        )

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "dockyard", *arguments]
        return subprocess.Popen(
            command, env=self.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line of a fresh home; whatever was started there is stopped at the end."""
    line = CommandLine(Home(tmp_path / "home"))
    yield line
    line.run("down")


@pytest.fixture
def running(cli: CommandLine) -> CommandLine:
    """The same, with its platform up."""
    done = cli.run("up")
    assert done.returncode == 0, done.stderr
    return cli
