"""The table of kinds: a kind without behaviour is one row in it."""

from __future__ import annotations

from dockyard.cluster.kinds import apps, core, extensions, others
from dockyard.cluster.kinds.kind import VERBS, Kind
from dockyard.cluster.kinds.registry import Kinds

__all__ = ["BY_RESOURCE", "COMPUTED", "KINDS", "OLDER", "VERBS", "Kind", "Kinds"]

KINDS: dict[str, Kind] = {row.kind: row for row in (*core.ROWS, *apps.ROWS, *others.ROWS, *extensions.ROWS)}
BY_RESOURCE: dict[tuple[str, str, str], Kind] = {
    (row.group, row.version, row.plural): row for row in KINDS.values()
}
COMPUTED = extensions.COMPUTED
OLDER = others.OLDER
