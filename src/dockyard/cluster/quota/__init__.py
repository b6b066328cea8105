"""What objects use of a ResourceQuota, and which Pods a quota with scopes is about."""

from __future__ import annotations

from dockyard.cluster.quota.scopes import concerns
from dockyard.cluster.quota.usage import counts, unnamed, usage

__all__ = ["concerns", "counts", "unnamed", "usage"]
