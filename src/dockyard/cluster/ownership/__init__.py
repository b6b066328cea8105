"""Who manages which field: metadata.managedFields, and server-side apply on top of it."""

from dockyard.cluster.ownership.apply import apply, apply_new
from dockyard.cluster.ownership.managers import Manager, keep, track

__all__ = ["Manager", "apply", "apply_new", "keep", "track"]
