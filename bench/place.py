"""Where benchmarks run: a home of their own, and the command line of this clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def launcher() -> list[str]:
    """`./dockyard` where this clone is set up, so that its overhead counts; else this interpreter."""
    if (PROJECT / ".venv" / "share" / "dockyard" / "ready").exists() and sys.prefix == str(PROJECT / ".venv"):
        return [str(PROJECT / "dockyard")]
    return [sys.executable, "-P", "-m", "dockyard"]


@contextmanager
def home() -> Iterator[dict[str, str]]:
    """An environment with a fresh home; its platform is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="dockyard-bench-", ignore_cleanup_errors=True) as directory:
        environ = {**os.environ, "DOCKYARD_HOME": str(Path(directory) / "home")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            yield environ
        finally:
            subprocess.run([*launcher(), "down"], env=environ, capture_output=True, check=False)


def with_kubeconfig(environ: dict[str, str]) -> dict[str, str]:
    """The same, and kubectl finds this home's running platform."""
    status = subprocess.run([*launcher(), "status", "--json"], env=environ, capture_output=True, check=True)
    return {**environ, "KUBECONFIG": json.loads(status.stdout)["kubeconfig"]}


def kubectl(environ: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """What kubectl prints. Raises CalledProcessError when it fails."""
    program = str(Path(sysconfig.get_path("scripts")) / "kubectl")
    done = subprocess.run(
        [program, *arguments], env=environ, input=stdin.encode(), capture_output=True, check=True
    )
    return done.stdout.decode()


def daemon_pid(environ: dict[str, str]) -> int:
    """The process id of the running platform's daemon."""
    status = subprocess.run([*launcher(), "status", "--json"], env=environ, capture_output=True, check=True)
    pid: int = json.loads(status.stdout)["pid"]
    return pid


def timed(environ: dict[str, str], *arguments: str) -> float:
    """Seconds that a command took, as its user waits for it. Raises CalledProcessError when it fails."""
    started = time.perf_counter()
    subprocess.run([*launcher(), *arguments], env=environ, capture_output=True, check=True)
    return time.perf_counter() - started
