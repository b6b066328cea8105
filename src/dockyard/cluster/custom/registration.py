"""A cluster's kinds follow its CustomResourceDefinitions: each is served as soon as it is established."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.custom.definition import kinds_of
from dockyard.cluster.kinds import Kinds
from dockyard.cluster.store import Event, Store

Manifest = dict[str, Any]

DEFINITION = "CustomResourceDefinition"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # holds a definition until its objects are gone


def follow(kinds: Kinds, store: Store) -> None:
    """Serve what the stored definitions define, now and after each change of them."""
    for record in store.scan(DEFINITION):
        kinds.define(record.name, kinds_of(record.load()))

    def on_event(event: Event) -> None:
        if event.kind == DEFINITION:
            gone = event.type == "DELETED"
            if gone or event.old is None or _face(event.old) != _face(event.object):
                kinds.define(event.name, [] if gone else kinds_of(event.object))

    store.subscribe(on_event)


def _face(definition: Manifest) -> tuple[Any, Any]:
    return definition["spec"], (definition.get("status") or {}).get("conditions")


def begin_deletion(definition: Manifest, now: str) -> None:
    """Mark a definition that a client deletes: its objects go first."""
    metadata = definition["metadata"]
    # Unlike other kinds a definition has no grace period, and its deletion is no new generation.
    metadata.pop("deletionGracePeriodSeconds", None)
    metadata["generation"] -= 1
    if CLEANUP not in metadata.setdefault("finalizers", []) and "status" in definition:
        conditions = definition["status"].get("conditions") or []
        if any(condition["type"] == "Terminating" for condition in conditions):
            return  # they are gone, and the finalizer with them
        metadata["finalizers"].append(CLEANUP)
        pending = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        terminating = condition_of("Terminating", "True", now, "InstanceDeletionPending", pending)
        definition["status"]["conditions"] = [*conditions, terminating]


def condition_of(type_: str, status: str, now: str, reason: str, message: str) -> Manifest:
    return {
        "type": type_,
        "status": status,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }
