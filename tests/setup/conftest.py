"""A clone in small: the real launcher and set-up, locks of one tiny wheel, and a command that echoes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def make_wheel(directory: Path, version: str) -> str:
    """Write a wheel of `tiny` at `version`; returns the line that locks it."""
    name = f"tiny-{version}-py3-none-any.whl"
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / name, "w") as wheel:
        wheel.writestr("tiny.py", f"VERSION = {version!r}\n")
        info = f"tiny-{version}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    return f"tiny=={version} --hash=sha256:{digest}\n"


@dataclass
class Clone:
    """A small clone and the environment in which its launcher runs: no index but a directory of wheels."""

    root: Path
    wheels: Path

    def lock(self, version: str) -> None:
        (self.root / "locks" / "course.txt").write_text(make_wheel(self.wheels, version))

    def environ(self, **more: str) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "DOCKYARD_"))
        }
        return kept | {
            # A machine with docker: nothing has to be fetched.
            "PATH": f"{self.root.parent / 'programs'}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "DOCKYARD_PYTHON": sys.executable,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
            **more,
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "dockyard", *arguments],
            env=self.environ(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A fresh clone that nothing has been set up in."""
    root = tmp_path / "clone"
    package = root / "src" / "dockyard"
    package.mkdir(parents=True)
    (root / "locks").mkdir()
    shutil.copy(PROJECT / "dockyard", root / "dockyard")
    for name in ("__init__.py", "errors.py", "home.py", "version.py"):
        shutil.copy(PROJECT / "src" / "dockyard" / name, package / name)
    shutil.copytree(PROJECT / "src" / "dockyard" / "setup", package / "setup")
    (package / "__main__.py").write_text("import sys, tiny\nprint(tiny.VERSION, *sys.argv[1:])\n")
    docker = tmp_path / "programs" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nexit 0\n")
    docker.chmod(0o755)
    small = Clone(root, tmp_path / "wheels")
    small.lock("1.0")
    (root / "locks" / "wheelhouse.txt").write_text(make_wheel(small.wheels, "1.0"))
    # uv is not among the wheels: the set-up has to do without it.
    (root / "locks" / "setup.txt").write_text(f"uv==0.0.1 --hash=sha256:{'0' * 64}\n")
    return small
