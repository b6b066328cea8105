"""Docker command lines of other years, unmodified: Debian 12's 20.10, Debian 13's 26, where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

VERSIONS = ("20.10", "26", "28")
PLACES = "DOCKYARD_DOCKER_CLIENTS"
"""The environment variable with further paths of docker command lines, apart by colons."""

Old = Callable[..., "subprocess.CompletedProcess[str]"]


def found() -> dict[str, Path]:
    """Return the command lines on this machine, by version."""
    clients: dict[str, Path] = {}
    for named in filter(None, ["docker", *os.environ.get(PLACES, "").split(":")]):
        place = shutil.which(named)
        if place is None:
            continue
        said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False).stdout
        number = re.search(r"version (\d+\.\d+)", said)
        for version in VERSIONS:
            if number and (number[1] + ".").startswith(version + "."):
                clients.setdefault(version, Path(place))
    return clients


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, embedded_engine: str, tmp_path: Path) -> Old:
    """Run a command of one version."""
    program = found().get(request.param)
    if program is None:
        pytest.skip(f"no docker command line {request.param} on this machine; {PLACES} can name one")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DOCKER_CONFIG": str(tmp_path / "config"),
        "DOCKER_HOST": embedded_engine,
        "DOCKER_BUILDKIT": "0",
    }

    def call(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *words],
            input=stdin,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def test_older_client_agrees_on_a_version(old: Old) -> None:
    said = old("version", "--format", "{{.Client.APIVersion}} {{.Server.APIVersion}}")
    assert said.returncode == 0, said.stderr
    client, server = said.stdout.split()
    assert server == "1.51"
    assert tuple(map(int, client.split("."))) <= (1, 51)


def test_older_client_runs_builds_and_looks(old: Old, tmp_path: Path, name: str) -> None:
    ran = old("run", "--rm", "-i", "busybox", "sh", "-c", "read x; echo got $x; exit 3", stdin="it\n")
    assert (ran.returncode, ran.stdout) == (3, "got it\n"), ran.stderr
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo made > /made\nCMD cat /made\n")
    built = old("build", "-t", f"{name}:1", ".")
    assert built.returncode == 0, built.stderr
    assert f"Successfully tagged {name}:1" in built.stdout
    assert old("run", "--rm", f"{name}:1").stdout == "made\n"
    started = old("run", "-d", "--name", name, "busybox", "sh", "-c", "echo said; sleep 600")
    assert started.returncode == 0, started.stderr
    try:
        assert name in old("ps", "--format", "{{.Names}}").stdout.split()
        assert old("exec", name, "sh", "-c", "echo inside; exit 5").returncode == 5
        assert old("logs", name).stdout == "said\n"
        assert old("inspect", "-f", "{{.State.Status}}", name).stdout == "running\n"
        assert "sleep 600" in old("top", name).stdout
        assert old("stop", "-t", "0", name).stdout == f"{name}\n"
    finally:
        old("rm", "-f", name)
        old("rmi", "-f", f"{name}:1")
    assert old("images", "-q", f"{name}:1").stdout == ""


def test_older_client_reads_info_and_disk_usage(old: Old) -> None:
    info = old("info", "--format", "{{.OSType}} {{.ServerVersion}}")
    assert info.stdout.startswith("linux 28."), info.stderr
    usage = old("system", "df")
    assert usage.returncode == 0, usage.stderr
    assert "Local Volumes" in usage.stdout
