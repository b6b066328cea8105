"""What happens to an object between defaulting and storing: rules that look beyond the object."""

from __future__ import annotations

from dockyard.cluster.admission.chain import (
    charge,
    complete,
    on_create,
    on_delete,
    on_update,
    review,
    warnings,
)
from dockyard.cluster.admission.namespaces import furnish
from dockyard.cluster.admission.pods import quality

__all__ = [
    "charge",
    "complete",
    "furnish",
    "on_create",
    "on_delete",
    "on_update",
    "quality",
    "review",
    "warnings",
]
