"""The shape of a family's table of endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.wire.http import Handler

Routes = Iterator[tuple[str, str, Handler]]
"""Method, path pattern without the version, handler."""
