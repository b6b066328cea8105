"""NetworkPolicy: from the objects to the rules by which the network lets connections of each Pod pass."""

from __future__ import annotations

from dockyard.cluster.networkpolicy.enforcer import Enforcer

__all__ = ["Enforcer"]
