"""The home: the one directory that holds the state of one dockyard, and where each thing in it lies."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.errors import UserError, explain

# sun_path holds 108 bytes with its terminating zero; clients append suffixes of their own.
LONGEST_SOCKET_PATH = 100


def project_root() -> Path:
    """The clone: $DOCKYARD_PROJECT, that of this source tree, or the nearest one above here."""
    named = os.environ.get("DOCKYARD_PROJECT")
    if named:
        return Path(named).absolute()
    source = Path(__file__).resolve().parents[2]
    for candidate in (source, Path.cwd(), *Path.cwd().parents):
        if (candidate / "pyproject.toml").is_file() and (candidate / "course").is_dir():
            return candidate
    return Path.cwd()


@dataclass(frozen=True)
class Home:
    """Paths only; nothing is created until `prepare`."""

    root: Path

    @classmethod
    def find(cls) -> Home:
        """$DOCKYARD_HOME, or `.dockyard` in the project."""
        named = os.environ.get("DOCKYARD_HOME")
        return cls(Path(named).expanduser().absolute() if named else project_root() / ".dockyard")

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def progress(self) -> Path:
        return self.root / "progress"

    @property
    def digest(self) -> str:
        """Eight digits that tell this home's things from another's on an engine that both use."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]

    @property
    def choice(self) -> Path:
        """Which backend `dockyard up` chose; missing for the default."""
        return self.root / "backend.json"

    @property
    def log(self) -> Path:
        return self.run / "daemon.log"

    @property
    def state_file(self) -> Path:
        return self.run / "daemon.json"

    @property
    def lock_file(self) -> Path:
        """Held with flock for as long as the daemon lives; its text is the daemon's pid."""
        return self.run / "daemon.lock"

    @property
    def sockets(self) -> Path:
        """Where the unix sockets lie: `run/`, or a short directory of this home's own if that is too long."""
        if len(os.fsencode(self.run / "control.sock")) <= LONGEST_SOCKET_PATH:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        base = (
            Path(runtime) if runtime and len(runtime) < 50 and os.access(runtime, os.W_OK) else Path("/tmp")
        )
        return base / f"dockyard-{os.getuid()}-{digest}"

    @property
    def docker_socket(self) -> Path:
        return self.sockets / "docker.sock"

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"

    @property
    def docker_host(self) -> str:
        return f"unix://{self.docker_socket}"

    @property
    def wheelhouse(self) -> Path:
        """The wheels that `pip install` finds inside images.

        $DOCKYARD_WHEELHOUSE, else `wheelhouse/` in the home where there is one, else what set-up put into
        the virtual environment, so that every home of one clone shares it.
        """
        named = os.environ.get("DOCKYARD_WHEELHOUSE")
        if named:
            return Path(named).absolute()
        own = self.root / "wheelhouse"
        return own if own.is_dir() else Path(sys.prefix) / "share" / "dockyard" / "wheelhouse"

    def prepare(self) -> None:
        """Create the home, private to its owner. Raises UserError with advice where that can't be."""
        try:
            for directory in (self.root, self.run, self.sockets):
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(0o700)
            probe = self.run / f".probe-{os.getpid()}"
            probe.write_bytes(b"x" * 65536)  # a full disk shows itself only when data is written
            probe.unlink()
        except OSError as error:
            raise explain(error, f"cannot use {self.root} as the home") from error
        if self.sockets.stat().st_uid != os.getuid():
            raise UserError(
                f"{self.sockets} belongs to another user",
                "Remove it, or set DOCKYARD_HOME to a shorter path so that it isn't needed.",
            )

    def state(self) -> dict[str, Any] | None:
        """What the daemon said of itself when it got ready; None when none runs or none is ready."""
        if self.daemon_pid() is None:
            return None
        try:
            state: dict[str, Any] = json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return None
        return state

    def daemon_pid(self) -> int | None:
        """The pid of the live daemon, ready or not. A lock, unlike a pid file, can't outlive its process."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            return int(text) if text.isdigit() else None
        finally:
            os.close(descriptor)
        return None
