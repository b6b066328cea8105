"""Bringing up the backend that is wanted, with the daemon's own errors where it is the embedded one."""

from __future__ import annotations

from typing import Any

from dockyard.backends import Choice, EmbeddedBackend, choose, forget, open_backend, remembered
from dockyard.cli._daemon import start
from dockyard.errors import EXIT_USAGE, UserError
from dockyard.home import Home

# Which options go with which backend; --backend itself is needed for all of them.
OPTIONS = {
    "docker_host": ("docker", "kind", "kubeconfig"),
    "cluster": ("kind",),
    "source": ("kubeconfig",),
    "context": ("kubeconfig",),
    "namespace": ("kubeconfig",),
    "registry": ("kubeconfig",),
    "load_command": ("kubeconfig",),
}
_FLAGS = {"source": "--kubeconfig"}


def bring_up(home: Home, wanted: Choice | None = None, *, driver: str | None = None) -> dict[str, Any]:
    """Start the backend that is wanted, else the one that is remembered; its state. Raises UserError."""
    kept = remembered(home)
    if wanted is not None and kept is not None and kept.fits(wanted):
        wanted = kept
    elif wanted is not None and kept is not None and kept.backend in ("kind", "kubeconfig"):
        where = kept.cluster or f"context {kept.context}, namespace {kept.namespace}"
        raise UserError(
            f"the backend `{kept.backend}` is up already ({where})",
            "End it first, so that nothing of it is left behind: ./dockyard down",
        )
    backend = open_backend(wanted, home) if wanted else choose(home)
    if not isinstance(backend, EmbeddedBackend):
        return backend.up()
    state = start(home, driver=driver)
    if wanted:
        forget(home)  # `embedded` is what a home without a choice uses
    return state


def choice(backend: str, **options: Any) -> Choice | None:
    """What the command line says; None when it says nothing. Raises UserError for options that don't fit."""
    for name, value in options.items():
        if value and backend not in OPTIONS[name]:
            flag = _FLAGS.get(name, "--" + name.replace("_", "-"))
            fitting = " or ".join(f"--backend {each}" for each in OPTIONS[name])
            raise UserError(f"{flag} goes with {fitting}", "Name both, or neither.", code=EXIT_USAGE)
    return Choice(backend, **options) if backend else None
