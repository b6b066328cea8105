"""The docker command line's settings for one home: compose as a plugin, nothing of the learner's own."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from dockyard.home import Home


def docker_settings(home: Home) -> dict[str, str]:
    """Variables under which `docker` and `docker compose` work for this home; makes what they point to.

    The learner's ~/.docker, with his logins and contexts, is neither read nor written: a `docker login` in
    a lesson goes into the home, and is gone with it. Builds are the classic builder's, also where the
    machine has buildx, which wants an engine with BuildKit. A home that can't be written gets no plugin.
    """
    directory = home.root / "docker-client"
    with suppress(OSError):
        _link(directory / "cli-plugins" / "docker-compose", Path(sys.executable).parent / "docker-compose")
    return {"DOCKER_CONFIG": str(directory), "DOCKER_BUILDKIT": "0"}


def _link(place: Path, target: Path) -> None:
    """Let `place` be a link to `target`: another interpreter's is replaced, and no moment is without one."""
    if place.is_symlink() and Path(os.readlink(place)) == target:
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    draft.symlink_to(target)
    os.replace(draft, place)
