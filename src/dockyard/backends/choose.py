"""Which backend this session uses: $DOCKYARD_BACKEND, or the embedded one."""

from __future__ import annotations

import os

from dockyard.backends.backend import Backend
from dockyard.backends.embedded import EmbeddedBackend
from dockyard.errors import UserError
from dockyard.home import Home


def choose(home: Home | None = None) -> Backend:
    """The backend by name. Raises UserError for one that doesn't exist."""
    wanted = os.environ.get("DOCKYARD_BACKEND", "embedded")
    if wanted != "embedded":
        raise UserError(
            f"there is no backend {wanted!r}", "Unset DOCKYARD_BACKEND: only `embedded` is built yet."
        )
    return EmbeddedBackend(home or Home.find())
