"""The Pod Security Standards: three levels, and what each forbids a Pod."""

from __future__ import annotations

from dockyard.cluster.podsecurity.levels import LEVELS, Level, violations, wanted

__all__ = ["LEVELS", "Level", "violations", "wanted"]
