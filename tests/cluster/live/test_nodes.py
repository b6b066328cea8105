"""Three nodes with real processes on them: drained by kubectl, and losing their power."""

from __future__ import annotations

import json
import os

import pytest

from dockyard.cluster.store import Manifest
from tests.cluster.conftest import Kubectl
from tests.cluster.live.conftest import LiveCluster
from tests.deadline import eventually

pytestmark = pytest.mark.embedded("it drains and stops nodes, and those are somebody's")

BRIEF = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
WORKLOAD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "idle"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "idle"}},
        "template": {
            "metadata": {"labels": {"app": "idle"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "tolerations": [BRIEF | {"tolerationSeconds": 1}],
                "containers": [
                    {
                        "name": "main",
                        "image": "python:3.12-slim",
                        "command": ["sh", "-c", "echo $$; sleep 1000; true"],
                    }
                ],
            },
        },
    },
}


@pytest.fixture(scope="module", autouse=True)
def idle(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(WORKLOAD))
    kubectl("rollout", "status", "deployment/idle", "--timeout=60s")


def places(kubectl: Kubectl) -> dict[str, str]:
    """The Pods that are not ending, and their nodes."""
    found: list[Manifest] = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
    return {
        p["metadata"]["name"]: p["spec"].get("nodeName", "")
        for p in found
        if "deletionTimestamp" not in p["metadata"]
    }


def pids(live: LiveCluster, node: str) -> list[int]:
    """The processes of a node's containers."""
    workers = live.do(lambda: list(live.cluster.agents[node].workers.values()))
    return [c.process.pid for worker in workers for c in worker.containers if c.process is not None]


def test_a_drained_node_is_empty_and_takes_pods_again_when_uncordoned(kubectl: Kubectl) -> None:
    assert sorted(places(kubectl).values()) == ["dockyard-1", "dockyard-2", "dockyard-3"]
    said = kubectl("drain", "dockyard-3", "--timeout=30s")
    assert said.startswith("node/dockyard-3 cordoned")
    assert said.rstrip().endswith("node/dockyard-3 drained")
    eventually(lambda: len(places(kubectl)) == 3, "the evicted Pod is replaced")
    assert set(places(kubectl).values()) == {"dockyard-1", "dockyard-2"}
    assert "Ready,SchedulingDisabled" in kubectl("get", "node", "dockyard-3")
    kubectl("uncordon", "dockyard-3")
    kubectl("rollout", "restart", "deployment/idle")
    kubectl("rollout", "status", "deployment/idle", "--timeout=60s")
    eventually(
        lambda: sorted(places(kubectl).values()) == ["dockyard-1", "dockyard-2", "dockyard-3"],
        "the node takes Pods again",
    )


def test_a_node_without_power_is_found_out_and_its_pods_are_replaced(
    live: LiveCluster, kubectl: Kubectl
) -> None:
    before = places(kubectl)
    lost = next(name for name, node in before.items() if node == "dockyard-2")
    running = pids(live, "dockyard-2")
    assert running
    live.call(live.cluster.stop_node("dockyard-2", grace=1))
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}/cwd") for pid in running), "nothing of it runs")
    refused = kubectl.run("exec", lost, "--", "true")
    assert "error dialing backend" in refused.stderr
    assert "connection refused" in kubectl.run("logs", lost).stderr
    eventually(lambda: "NotReady" in kubectl("get", "node", "dockyard-2"), "the node's silence is found out")
    eventually(
        lambda: len(places(kubectl)) == 3 and "dockyard-2" not in places(kubectl).values(),
        "its Pod is evicted and replaced elsewhere",
    )
    assert lost in kubectl("get", "pods", "--no-headers")

    live.do(live.cluster.start_node, "dockyard-2")
    eventually(lambda: " Ready " in kubectl("get", "node", "dockyard-2"), "the node is back")
    eventually(lambda: lost not in kubectl("get", "pods", "--no-headers"), "the evicted Pod can end")
    kubectl("delete", "pods", "-l", "app=idle", "--wait=false")
    eventually(lambda: "dockyard-2" in places(kubectl).values(), "the node takes Pods again")
