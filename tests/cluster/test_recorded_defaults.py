"""What a real API server made of each input, compared with ours field by field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.controlplane import ControlPlane
from dockyard.cluster.kinds import BY_RESOURCE, KINDS, OLDER
from dockyard.cluster.schema.decode import Decoder
from dockyard.wire.clock import FakeClock

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
RECORDED: dict[str, Any] = json.loads((DATA / "defaults.json").read_text())
NOT_SERVED = ("validatingadmissionpolicy",)
# Fields that differ, and why.
DIFFERENT: dict[str, dict[str, str]] = {}
SERVED = sorted(set(RECORDED) - set(NOT_SERVED))


def create(name: str) -> dict[str, Any]:
    plane = ControlPlane(None, FakeClock(), root_ca="ca")
    try:
        given = RECORDED[name]["input"]
        (row,) = (row for row in (*KINDS.values(), *OLDER) if row.type_meta.items() <= given.items())
        plane.api.create("Namespace", {"metadata": {"name": "defaults-demo"}})
        obj = Decoder().decode(row, given)
        home = "defaults-demo" if row.namespaced else None
        return row.show(plane.api.create(row.id, row.read(obj), namespace=home))
    finally:
        plane.close()


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf by its path; empty containers are leaves."""
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for key, inner in value.items():
            found |= flat(inner, f"{path}.{key}" if path else key)
        return found
    if isinstance(value, list) and value:
        found = {}
        for index, inner in enumerate(value):
            found |= flat(inner, f"{path}[{index}]")
        return found
    return {path: value}


def comparable(obj: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(obj)
    text = re.sub(r"kube-api-access-(<r01>|[a-z0-9]{5})", "kube-api-access-x", text)
    text = re.sub(r"<uid-\d+>|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"10\.96\.\d+\.\d+", "CLUSTER-IP", text)
    text = re.sub(r'"nodePort": \d+', '"nodePort": 30000', text)
    leaves = flat(json.loads(text))
    for key in ("metadata.uid", "metadata.resourceVersion"):
        leaves.pop(key, None)
    for key in ("metadata.creationTimestamp", "status.lastPhaseTransitionTime"):
        if key in leaves:
            leaves[key] = "TIME"
    return leaves


@pytest.mark.parametrize("name", SERVED)
def test_defaults_are_upstreams(name: str) -> None:
    made, recorded = comparable(create(name)), comparable(RECORDED[name]["created"])
    wrong = {
        path: (made.get(path, "missing"), recorded.get(path, "not there"))
        for path in sorted(set(made) | set(recorded))
        if made.get(path, "missing") != recorded.get(path, "not there")
        and not any(path.startswith(known) for known in DIFFERENT.get(name, {}))
    }
    assert not wrong


def test_recordings_are_found() -> None:
    assert len(SERVED) > 40
    assert set(DIFFERENT) <= set(SERVED)
    assert all(row.kind in KINDS for row in BY_RESOURCE.values())
