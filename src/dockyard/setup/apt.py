"""Packages of the distribution, fetched and unpacked by apt as a plain user, and installed nowhere."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dockyard.errors import UserError
from dockyard.setup.run import run


class Apt:
    """apt with lists and caches of its own below `work`, which is emptied first.

    `source` is a line for sources.list; without one the machine's own sources are read. Signatures are
    checked with the distribution's keys either way. Raises UserError where there is no apt.
    """

    def __init__(self, work: Path, source: str = "") -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise UserError("there is no apt on this machine")
        self._work = work
        shutil.rmtree(work, ignore_errors=True)
        for directory in ("lists/partial", "cache/archives/partial", "packages"):
            (work / directory).mkdir(parents=True)
        (work / "status").touch()
        (work / "sources.list").write_text(source)
        settings: dict[str, object] = {
            "Dir::State": work,
            "Dir::State::lists": work / "lists",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "Debug::NoLocking": "1",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # A mirror that lags behind is as good here: the distribution's signature is what counts.
            "Acquire::Check-Valid-Until": "false",
            "APT::Sandbox::User": "root",
        }
        if source:
            settings |= {"Dir::Etc::sourcelist": work / "sources.list", "Dir::Etc::sourceparts": "/dev/null"}
        self._command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]

    def update(self) -> None:
        """Read what the mirror has. Raises UserError."""
        run([*self._command, "update"], "apt can't read its mirror")

    def download(self, packages: Sequence[str]) -> None:
        """Download `packages`, without what they depend on. Raises UserError when one isn't there."""
        failure = f"apt can't download {', '.join(packages)}"
        run([*self._command, "download", *packages], failure, cwd=self._work / "packages")

    def unpack(self) -> Path:
        """Unpack everything that was downloaded into one tree, and return it. Raises UserError."""
        root = self._work / "root"
        root.mkdir(exist_ok=True)
        for package in (self._work / "packages").glob("*.deb"):
            run(["dpkg-deb", "-x", package, root], f"cannot unpack {package.name}")
        return root
