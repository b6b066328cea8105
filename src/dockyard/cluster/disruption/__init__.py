"""Disruption budgets: how many Pods may be missing, and evicting a Pod only while one may."""

from __future__ import annotations

from dockyard.cluster.disruption.eviction import evict

__all__ = ["evict"]
