"""A small rollout as a watch would have recorded it: the Pod `old` goes, the Pod `new` comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dockyard.exercises.live import Live
from dockyard.exercises.record import Change, Record


def pod(name: str, *, told: bool = False, code: int | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{name}", "labels": {"app": "web"}}
    if told:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
    return {"metadata": metadata, "status": {"containerStatuses": [{"name": "app", "state": state}]}}


def endpoints(**ready: bool) -> dict[str, Any]:
    found = [{"targetRef": {"uid": f"uid-{n}"}, "conditions": {"ready": r}} for n, r in ready.items()]
    return {"metadata": {"name": "web-1", "uid": "slice"}, "endpoints": found}


def replayed(*changes: tuple[float, str, str, dict[str, Any]]) -> Record:
    seen = Record(Live("ns", Path("/nonexistent")))
    seen.started = 100.0
    seen.changes = [Change(*change) for change in changes]
    return seen


ROLLOUT = (
    (100.0, "endpointslices", "ADDED", endpoints(old=True)),
    (100.1, "pods", "ADDED", pod("old")),
    (102.0, "pods", "ADDED", pod("new")),
    (103.0, "endpointslices", "MODIFIED", endpoints(old=True, new=True)),
    (103.1, "pods", "MODIFIED", pod("old", told=True)),
    (103.2, "endpointslices", "MODIFIED", endpoints(old=False, new=True)),
    (103.9, "pods", "MODIFIED", pod("old", told=True, code=143)),
    (104.0, "pods", "DELETED", pod("old", told=True, code=143)),
)
