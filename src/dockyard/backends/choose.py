"""Which backend a session uses: $DOCKYARD_BACKEND, what the last `up` chose, or the embedded one."""

from __future__ import annotations

import os

from dockyard.backends.backend import Backend
from dockyard.backends.choice import Choice, remembered
from dockyard.backends.docker import DockerBackend, default_host
from dockyard.backends.embedded import EmbeddedBackend
from dockyard.errors import UserError
from dockyard.home import Home

NAMES = ("embedded", "docker")


def choose(home: Home | None = None) -> Backend:
    """The backend of a home. Raises UserError for one that doesn't exist."""
    found = home or Home.find()
    named = os.environ.get("DOCKYARD_BACKEND")
    kept = remembered(found)
    if named and (kept is None or kept.backend != named):
        kept = Choice(named)
    return open_backend(kept or Choice("embedded"), found)


def open_backend(choice: Choice, home: Home) -> Backend:
    """The backend that a choice names. Raises UserError."""
    if choice.backend == "embedded":
        return EmbeddedBackend(home)
    if choice.backend == "docker":
        return DockerBackend(home, choice.docker_host or default_host(home))
    raise UserError(
        f"there is no backend {choice.backend!r}", f"There are {', '.join(NAMES)}; `embedded` is the default."
    )
