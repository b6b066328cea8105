"""Protobuf bodies as kubectl and helm really sent them, against the JSON that they mean."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.cluster import protobuf

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
RECORDED: list[dict[str, Any]] = json.loads((DATA / "protobuf.json").read_text())


def meaning(value: Any) -> Any:
    """Without what Go leaves out of JSON or the server ignores: nulls, empty things, the status."""
    if isinstance(value, dict):
        kept = {key: meaning(inner) for key, inner in value.items() if key != "status"}
        return {key: inner for key, inner in kept.items() if inner not in (None, {}, "")}
    return [meaning(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: f"{r['from']}-{r['json']['kind']}")
def test_body_means_its_json(recorded: dict[str, Any]) -> None:
    body = base64.b64decode(recorded["protobuf"])
    assert meaning(protobuf.decode(body)) == meaning(recorded["json"])


def test_older_version_has_fields_of_its_own() -> None:
    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    target = field(1, b"Deployment") + field(2, b"web") + field(3, b"apps/v1")
    spec = field(1, target) + b"\x18\x03" + b"\x20\x32"  # maxReplicas 3, target 50 %
    type_ = field(1, b"autoscaling/v1") + field(2, b"HorizontalPodAutoscaler")
    body = b"k8s\0" + field(1, type_) + field(2, field(1, field(1, b"web")) + field(2, spec))
    assert protobuf.decode(body) == {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"},
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 50,
        },
    }


def test_recordings_are_found() -> None:
    assert len(RECORDED) >= 25


@given(st.binary(max_size=300), st.sampled_from(RECORDED), st.integers(0, 400))
def test_damaged_bodies_are_refused_and_nothing_worse(
    noise: bytes, recorded: dict[str, Any], at: int
) -> None:
    body = bytearray(base64.b64decode(recorded["protobuf"]))
    at = min(at, len(body))
    body[at : at + len(noise)] = noise
    try:
        assert isinstance(protobuf.decode(bytes(body)), dict)
    except protobuf.MalformedError:
        pass  # the one way to say no
