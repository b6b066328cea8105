"""Which backend a session uses: $DOCKYARD_BACKEND, what the last `up` chose, or the embedded one."""

from __future__ import annotations

import os

from dockyard.backends.backend import Backend
from dockyard.backends.choice import Choice, remembered
from dockyard.backends.docker import DockerBackend
from dockyard.backends.embedded import EmbeddedBackend
from dockyard.backends.engine import default_host
from dockyard.backends.kind import KindBackend
from dockyard.backends.kubeconfig import KubeconfigBackend
from dockyard.errors import UserError
from dockyard.home import Home

NAMES = ("embedded", "docker", "kind", "kubeconfig")


def choose(home: Home | None = None) -> Backend:
    """The backend of a home. Raises UserError for one that doesn't exist."""
    found = home or Home.find()
    return open_backend(chosen(found), found)


def chosen(home: Home) -> Choice:
    """What stands for this home now. Raises UserError when the note of the last `up` can't be read."""
    named = os.environ.get("DOCKYARD_BACKEND")
    kept = remembered(home)
    if named and (kept is None or kept.backend != named):
        return Choice(named)
    return kept or Choice("embedded")


def open_backend(choice: Choice, home: Home) -> Backend:
    """The backend that a choice names. Raises UserError."""
    if choice.backend == "embedded":
        return EmbeddedBackend(home)
    if choice.backend == "docker":
        return DockerBackend(home, choice.docker_host or default_host(home))
    if choice.backend == "kind":
        return KindBackend(home, choice)
    if choice.backend == "kubeconfig":
        return KubeconfigBackend(home, choice)
    raise UserError(
        f"there is no backend {choice.backend!r}", f"There are {', '.join(NAMES)}; `embedded` is the default."
    )
