"""What `doctor` looks at: one function a subject, each returning findings with advice."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dockyard.clients import docker_settings
from dockyard.errors import UserError
from dockyard.home import Home


@dataclass(frozen=True)
class Finding:
    """One fact: `state` is ok, warn (works, with less) or bad (does not work); `advice` says what to do."""

    subject: str
    state: str
    value: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        return asdict(self)


def python(home: Home) -> Iterator[Finding]:
    """The interpreter and the system."""
    libc = " ".join(platform.libc_ver()) or "an unknown C library"
    value = f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {libc}"
    if sys.platform == "linux":
        yield Finding("python", "ok", value)
    else:
        yield Finding("python", "bad", value, "dockyard runs on Linux; elsewhere use its dev container.")


def disk(home: Home) -> Iterator[Finding]:
    """Room for images and for temporary files."""
    for name, place, least in (("home", home.root, 1_000_000_000), ("temporary files", "/tmp", 100_000_000)):
        existing = Path(place)
        while not existing.exists():
            existing = existing.parent
        free = shutil.disk_usage(existing).free
        state = "ok" if free >= least else "bad" if free < least // 10 else "warn"
        advice = "" if state == "ok" else f"Free some space: {least // 1_000_000} MB are comfortable."
        yield Finding(f"disk, {name}", state, f"{free // 1_000_000} MB free on {existing}", advice)
        if not os.access(existing, os.W_OK):
            yield Finding(
                f"disk, {name}", "bad", f"{existing} is not writable", "Set DOCKYARD_HOME elsewhere."
            )


def memory(home: Home) -> Iterator[Finding]:
    """What is left of the machine's, or of its control group's, memory."""
    with open("/proc/meminfo") as file:
        known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file if line.strip()}
    available = known["MemAvailable"]
    limit = _cgroup_limit()
    if limit is not None:
        available = min(available, limit)
    state = "ok" if available >= 800_000_000 else "warn"
    advice = (
        "" if state == "ok" else "Lessons with three replicas and a database want 800 MB: end other programs."
    )
    yield Finding("memory", state, f"{available // 1_000_000} MB available", advice)


def _cgroup_limit() -> int | None:
    """The memory limit of this control group (version 2, then 1); None when there is none."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 50:
            return int(text)
    return None


def namespaces(home: Home) -> Iterator[Finding]:
    """Whether this user may make user namespaces; tried, because a dozen settings have a say in it."""
    try:
        done = subprocess.run(["unshare", "-Ur", "true"], capture_output=True, timeout=5)
        allowed = done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        allowed = False
    if allowed or os.getuid() == 0:
        value = "allowed" if allowed else "not allowed, and not needed by root"
        yield Finding("user namespaces", "ok", value)
    else:
        advice = (
            "Nothing to do; the proot driver works without. `sysctl user.max_user_namespaces` may tell why."
        )
        yield Finding("user namespaces", "warn", "not allowed", advice)


def shared_memory(home: Home) -> Iterator[Finding]:
    """/dev/shm, which PostgreSQL wants by default."""
    if os.access("/dev/shm", os.W_OK):
        yield Finding("/dev/shm", "ok", f"{shutil.disk_usage('/dev/shm').total // 1_000_000} MB")
    else:
        advice = "Databases then use files in place of it; mount a tmpfs there to make them faster."
        yield Finding("/dev/shm", "warn", "missing or not writable", advice)


def sockets(home: Home) -> Iterator[Finding]:
    """Where the sockets lie, and whether a loopback port can be had."""
    where = (
        "in the home" if home.sockets == home.run else f"in {home.sockets}, because the home's path is long"
    )
    yield Finding("unix sockets", "ok", where)
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
        yield Finding("loopback", "ok", "127.0.0.1 can be listened on")
    except OSError as error:
        advice = "The Kubernetes API needs a port on loopback: bring the interface up (`ip link set lo up`)."
        yield Finding("loopback", "bad", f"127.0.0.1 can't be listened on: {error.strerror}", advice)


# What it is called here, what makes it name its version, and what is lost without it.
_DOCKER = (
    "the docker SDK does without, lesson 03 does not: `sudo apt install docker-cli` (or docker.io), or while "
    "there is a network remove .venv/share/dockyard/ready and run ./dockyard again, which fetches it"
)
CLIENTS = (
    ("kubectl", ("version", "--client"), "the lessons about Kubernetes use it; ./dockyard sets it up"),
    ("docker", ("--version",), _DOCKER),
    ("docker compose", ("version",), "lesson 03 uses it: remove .venv and run ./dockyard again"),
    ("git", ("--version",), "optional"),
)


def clients(home: Home) -> Iterator[Finding]:
    """The command-line clients that a learner's shell finds, and their versions."""
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", os.defpath)
    environment = os.environ | docker_settings(home)
    for name, arguments, without in CLIENTS:
        program, *words = name.split()
        found = shutil.which(program, path=path)
        if found is None:
            yield Finding(name, "warn", "not found", without)
            continue
        try:
            command = [found, *words, *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Finding(name, "warn", f"{found} does not run: {error}", without)
            continue
        if words and done.returncode:
            yield Finding(name, "warn", f"{found} does not know {' '.join(words)}", without)
            continue
        value = (done.stdout.strip().splitlines() or ["no version"])[0]
        yield Finding(name, "ok", f"{value} ({found})")


def packages(home: Home) -> Iterator[Finding]:
    """The Python clients, in the versions that the lock says."""
    from importlib.metadata import PackageNotFoundError, version

    for name in ("docker", "kubernetes", "jupyterlab"):
        try:
            yield Finding(f"package {name}", "ok", version(name))
        except PackageNotFoundError:
            yield Finding(f"package {name}", "bad", "missing", "Remove .venv and run ./dockyard again.")


def wheelhouse(home: Home) -> Iterator[Finding]:
    """The wheels for `pip install` in images."""
    wheels = list(home.wheelhouse.glob("*.whl")) if home.wheelhouse.is_dir() else []
    if wheels:
        yield Finding("wheelhouse", "ok", f"{len(wheels)} wheels in {home.wheelhouse}")
    else:
        advice = "Images can't install packages without it: remove .venv/share/dockyard and run ./dockyard."
        yield Finding("wheelhouse", "bad", f"nothing in {home.wheelhouse}", advice)


Check = Callable[[Home], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    python,
    disk,
    memory,
    namespaces,
    shared_memory,
    sockets,
    clients,
    packages,
    wheelhouse,
)


def examine(home: Home) -> list[Finding]:
    """Every finding about this machine; a check that itself fails is a finding, not an end."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings.extend(check(home))
        except (OSError, UserError, KeyError, ValueError) as error:
            findings.append(Finding(check.__name__, "warn", f"could not be looked at: {error}"))
    return findings
