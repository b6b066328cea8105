"""The table of kinds: a kind without behaviour is one row in it."""

from __future__ import annotations

from dockyard.cluster.kinds import apps, core, others
from dockyard.cluster.kinds.kind import VERBS, Kind

__all__ = ["BY_RESOURCE", "KINDS", "VERBS", "Kind"]

KINDS: dict[str, Kind] = {row.kind: row for row in (*core.ROWS, *apps.ROWS, *others.ROWS)}
BY_RESOURCE: dict[tuple[str, str, str], Kind] = {
    (row.group, row.version, row.plural): row for row in KINDS.values()
}
