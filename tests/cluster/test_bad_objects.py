"""Objects damaged at random: each is stored or refused with a Status, and every stored one can be shown."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.cluster import tables
from dockyard.cluster.controlplane import ControlPlane
from dockyard.cluster.errors import ApiError
from dockyard.cluster.http.bodies import read_object
from dockyard.cluster.kinds import KINDS, Kind
from dockyard.cluster.warnings import warnings_for
from dockyard.wire.clock import FakeClock

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
RECORDED: dict[str, Any] = json.loads((DATA / "defaults.json").read_text())
INPUTS = [
    source
    for case in RECORDED.values()
    for source in (case["input"], case["created"])
    if KINDS.get(source["kind"]) and KINDS[source["kind"]].api_version == source["apiVersion"]
]
STRANGE = [
    None,
    "",
    0,
    -1,
    10**12,
    "x",
    "Not Ok",
    "50%",
    {},
    [],
    [{}],
    [None],
    True,
    {"a": "b"},
    [{"name": "x"}],
]
REMOVE = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything below the top that could be damaged."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in ((*path, key), *places(item, (*path, key)))]


def damage(obj: dict[str, Any], path: tuple[Any, ...], replacement: Any) -> None:
    target: Any = obj
    for key in path[:-1]:
        target = target[key]
    if replacement is REMOVE:
        del target[path[-1]]
    else:
        target[path[-1]] = copy.deepcopy(replacement)


def store_and_show(plane: ControlPlane, kind: Kind, body: bytes) -> ApiError | None:
    """Create, print and update the object in a body; the refusal when there is one."""
    try:
        read = read_object(kind, body, "application/json", "Warn").obj
        stored = plane.api.create(kind.kind, read, namespace="defaults-demo" if kind.namespaced else None)
        warnings_for(kind, stored)
        assert tables.table(kind, [stored], plane.api.clock.now(), "1", "None")["rows"]
        plane.api.update(kind.kind, stored)
    except ApiError as refusal:
        return refusal
    return None


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_object_is_stored_or_refused(data: st.DataObject) -> None:
    plane = ControlPlane(None, FakeClock())
    try:
        plane.api.create("Namespace", {"metadata": {"name": "defaults-demo"}})
        obj = copy.deepcopy(data.draw(st.sampled_from(INPUTS)))
        obj["metadata"] = {"name": "x"}
        obj.pop("status", None)
        kind = KINDS[obj["kind"]]
        for _ in range(data.draw(st.integers(1, 3))):
            candidates = [path for path in places(obj) if path[0] not in ("kind", "apiVersion")]
            if not candidates:
                break
            damage(
                obj, data.draw(st.sampled_from(candidates)), data.draw(st.sampled_from([REMOVE, *STRANGE]))
            )
        refusal = store_and_show(plane, kind, json.dumps(obj).encode())
        if refusal is not None:
            assert 400 <= refusal.code < 500
            assert json.dumps(refusal.status())
    finally:
        plane.close()


def test_inputs_are_found() -> None:
    assert len(INPUTS) > 80
