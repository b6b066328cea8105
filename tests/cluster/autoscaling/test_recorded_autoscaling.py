"""The recorded autoscaler under load, played again on a fake clock: every status it went through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.harness import FakeCluster

RECORDING = json.loads((Path(__file__).parents[2] / "data/kubernetes/autoscaling.json").read_text())
NAMESPACE = "hpa-scale"
IDLE, BUSY = 0.003, 0.2  # cores; the container's limit is 200m


def _face(status: dict[str, Any]) -> list[Any]:
    """All of a status but the time stamps and how much was used."""
    conditions = [[c["type"], c["status"], c["reason"], c["message"]] for c in status.get("conditions") or ()]
    metrics = status["currentMetrics"]
    kinds = [[m["type"], m["resource"]["name"], sorted(m["resource"]["current"])] for m in metrics or ()]
    return [status.get("currentReplicas"), status["desiredReplicas"], metrics is None, kinds, conditions]


async def test_autoscaler_goes_through_the_recorded_statuses(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path)
    busy: set[str] = set()
    cluster.runtime.cores = lambda pod: BUSY if pod in busy else IDLE
    await cluster.start()
    cluster.api.create("Namespace", {"metadata": {"name": NAMESPACE}})
    await cluster.advance(2.9)  # so that Pods are measured a little before the autoscaler looks, as recorded
    began = cluster.clock.now()

    async def at(second: float) -> None:
        await cluster.advance(began + second - cluster.clock.now())

    def add(name: str, spec: dict[str, Any]) -> None:
        metadata = {"name": name, "namespace": NAMESPACE}
        cluster.api.create("HorizontalPodAutoscaler", {"metadata": metadata, "spec": spec})

    cluster.runtime.start_seconds = lambda: 0.5
    for obj in yaml.safe_load_all(RECORDING["manifest"]):
        cluster.api.create(obj["kind"], obj, namespace=NAMESPACE)
    await at(16.2)
    (first,) = cluster.pods(NAMESPACE)
    busy.add(first["metadata"]["name"])
    cluster.runtime.start_seconds = lambda: 3.5
    await at(51.5)
    busy.clear()
    await at(91.4)
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": _target(70)}}
    second = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [metric]}
    add("cli", second)
    await at(107.9)
    lost = {"scaleTargetRef": target | {"name": "nope"}, "maxReplicas": 2}
    add("orphan", lost)
    await at(123.5)

    seen: dict[str, list[Any]] = {}
    for event in cluster.timeline:
        if event.kind == "HorizontalPodAutoscaler":
            seen.setdefault(event.name, []).append(_face(event.object["status"]))
    recorded: dict[str, list[Any]] = {}
    for change in RECORDING["autoscalers"]:
        recorded.setdefault(change["name"], []).append(_face(change["status"]))
    assert recorded
    assert {name: _distinct(faces) for name, faces in seen.items()} == {
        name: _distinct(faces) for name, faces in recorded.items()
    }

    told = {}
    for event in cluster.timeline:
        if event.kind == "Event" and event.object["reportingComponent"] == "horizontal-pod-autoscaler":
            obj = event.object
            key = (obj["involvedObject"]["name"], obj["type"], obj["reason"], obj["message"])
            told[key] = obj["count"]
    assert told == {tuple(row[:4]): row[4] for row in RECORDING["events"]}
    await cluster.stop()


def _target(percent: int) -> dict[str, Any]:
    return {"type": "Utilization", "averageUtilization": percent}


def _distinct(faces: list[Any]) -> list[Any]:
    """Without those that differ from the one before in numbers only: these depend on the load."""
    return [face for index, face in enumerate(faces) if index == 0 or face != faces[index - 1]]
