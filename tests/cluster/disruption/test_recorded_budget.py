"""The recorded life of a budget while its node is cordoned, drained and used again, on a fake clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.disruption import evict
from dockyard.cluster.errors import TooManyRequests
from tests.cluster.harness import FakeCluster

Manifest = dict[str, Any]

RECORDING = Path(__file__).parents[2] / "data" / "kubernetes" / "budget.json"


def face(status: Manifest) -> Manifest:
    """A budget's status without names and times."""
    counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return {
        **{key: status[key] for key in counts},
        "disruptedPods": len(status.get("disruptedPods") or ()),
        "conditions": [[c["type"], c["status"], c["reason"]] for c in status.get("conditions", ())],
    }


async def test_a_budget_goes_through_what_was_recorded(tmp_path: Path) -> None:
    recorded = json.loads(RECORDING.read_text())
    cluster = await FakeCluster(tmp_path).start()
    starts = iter(range(1000))
    cluster.runtime.start_seconds = lambda: 0.5 + 0.1 * next(starts)
    cluster.timeline.clear()
    for manifest in recorded["manifests"]:
        manifest["metadata"]["namespace"] = "default"
        cluster.api.create(manifest["kind"], manifest)
        await cluster.settle()
    await cluster.advance(4)
    (node,) = cluster.api.list("Node")

    async def change(kind: str, name: str, spec: Manifest, seconds: float) -> None:
        home = "default" if kind == "Deployment" else None
        cluster.api.patch(kind, name, {"spec": spec}, "merge", namespace=home)
        await cluster.advance(seconds)

    await change("Node", node["metadata"]["name"], {"unschedulable": True}, 1)
    await change("Deployment", "web", {"replicas": 4}, 2)
    await change("Deployment", "web", {"replicas": 3}, 2)
    refused = 0
    for pod in cluster.api.list("Pod", "default", labels={"app": "web"}):
        try:
            evict(cluster.api, pod["metadata"]["name"], "default", DeleteOptions())
        except TooManyRequests:
            refused += 1
        await cluster.settle()
    await cluster.advance(16)
    await change("Node", node["metadata"]["name"], {"unschedulable": None}, 6)
    ours: list[Manifest] = []
    for version in cluster.history("PodDisruptionBudget", "pdb"):
        shown = face(version["status"])
        if not ours or ours[-1] != shown:
            ours.append(shown)
    assert refused == 2
    # An eviction here is one step: the budget is never looked at between its being counted and the deletion.
    between = next(
        i for i, f in enumerate(recorded["statuses"]) if f["disruptedPods"] and f["currentHealthy"] == 2
    )
    assert ours == recorded["statuses"][:between] + recorded["statuses"][between + 1 :]
    await cluster.stop()
