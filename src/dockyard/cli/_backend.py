"""Bringing up the backend that is wanted, with the daemon's own errors where it is the embedded one."""

from __future__ import annotations

from typing import Any

from dockyard.backends import Choice, EmbeddedBackend, choose, forget, open_backend
from dockyard.cli._daemon import start
from dockyard.errors import UserError
from dockyard.home import Home


def bring_up(
    home: Home, *, backend: str = "", docker_host: str = "", driver: str | None = None
) -> dict[str, Any]:
    """Start the backend named, else the one that is remembered; its state. Raises UserError."""
    if docker_host and backend != "docker":
        raise UserError("--docker-host goes with --backend docker", "Name both, or neither.")
    wanted = open_backend(Choice(backend, docker_host), home) if backend else choose(home)
    if not isinstance(wanted, EmbeddedBackend):
        return wanted.up()
    state = start(home, driver=driver)
    if backend:
        forget(home)  # `embedded` is what a home without a choice uses
    return state
