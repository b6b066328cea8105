"""Where a Pod can run, and the recorded words when it can run nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.podstate import condition
from dockyard.cluster.scheduler.filters import Filters, Refusal
from dockyard.cluster.scheduler.requests import requests
from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, pod

TAIL = "no new claims to deallocate, preemption: 0/1 nodes are available: "
HOPELESS = TAIL + "1 Preemption is not helpful for scheduling."


def node(**spec: Any) -> Manifest:
    labels = {"kubernetes.io/hostname": "dockyard", "disk": "ssd"}
    allocatable = {"cpu": "2", "memory": "1Gi", "pods": "110"}
    return {
        "metadata": {"name": "dockyard", "labels": labels},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }


def asking(cpu: str = "0", memory: str = "0", **spec: Any) -> Manifest:
    found = pod("p", spec=spec, resources={"requests": {"cpu": cpu, "memory": memory}})
    found["metadata"]["uid"] = f"{cpu} {memory}"
    return found


def judge(wanted: Manifest, offer: Manifest, others: list[Manifest]) -> Refusal | None:
    state = NodeState("dockyard", offer, [PodFacts(other) for other in others])
    return Filters(PodFacts(wanted), [state], {}).judge(state)


@pytest.mark.parametrize(
    ("wanted", "offer", "reasons"),
    [
        (asking("1"), node(), None),
        (asking("3", "2Gi"), node(), ("Insufficient cpu", "Insufficient memory")),
        (asking(), node(unschedulable=True), ("node(s) were unschedulable",)),
        (
            asking(),
            node(taints=[{"key": "a", "effect": "NoSchedule"}]),
            ("node(s) had untolerated taint(s)",),
        ),
        (asking(), node(taints=[{"key": "a", "effect": "PreferNoSchedule"}]), None),
        (
            asking(tolerations=[{"key": "a", "operator": "Exists"}]),
            node(taints=[{"key": "a", "effect": "NoSchedule"}]),
            None,
        ),
        (
            asking(tolerations=[{"key": "a", "value": "x"}]),
            node(taints=[{"key": "a", "value": "y", "effect": "NoExecute"}]),
            ("node(s) had untolerated taint(s)",),
        ),
        (
            asking(tolerations=[{"operator": "Exists"}]),
            node(unschedulable=True, taints=[{"key": "a", "value": "y", "effect": "NoExecute"}]),
            None,
        ),
        (asking(nodeSelector={"disk": "ssd"}), node(), None),
        (
            asking(nodeSelector={"disk": "hdd"}),
            node(),
            ("node(s) didn't match Pod's node affinity/selector",),
        ),
    ],
)
def test_the_first_filter_that_refuses_is_named(
    wanted: Manifest, offer: Manifest, reasons: tuple[str, ...] | None
) -> None:
    refusal = judge(wanted, offer, [])
    assert (refusal.reasons if refusal else None) == reasons


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}, True),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, False),
        ({"key": "gpu", "operator": "DoesNotExist"}, True),
        ({"key": "gpu", "operator": "Exists"}, False),
    ],
)
def test_node_affinity_by_expressions(expression: Manifest, fits: bool) -> None:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    assert (judge(asking(affinity=affinity), node(), []) is None) is fits


def test_what_other_pods_ask_for_is_taken() -> None:
    assert judge(asking("1500m"), node(), [asking("500m")]) is None
    refusal = judge(asking("1500m"), node(), [asking("600m")])
    assert refusal is not None
    assert refusal.evicting_helps


def test_what_no_node_has_cannot_be_made_free() -> None:
    refusal = judge(asking("3"), node(), [asking("600m")])
    assert refusal is not None
    assert not refusal.evicting_helps


def test_init_containers_count_by_their_peak_and_sidecars_all_along() -> None:
    def container(name: str, cpu: str, **more: str) -> Manifest:
        return {"name": name, "image": "x", "resources": {"requests": {"cpu": cpu}}, **more}

    init = [container("side", "100m", restartPolicy="Always"), container("init", "1")]
    spec = {"initContainers": init, "containers": [container("main", "500m")]}
    assert requests({"spec": spec})["cpu"] == 1100


async def test_a_pod_that_fits_nowhere_says_why_and_starts_when_there_is_room(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    cluster.api.create("Pod", pod("big", resources={"requests": {"cpu": "1000"}}))
    await cluster.settle()
    message = "0/1 nodes are available: 1 Insufficient cpu. " + HOPELESS
    scheduled = condition(cluster.pod("big"), "PodScheduled")
    assert scheduled is not None
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    assert scheduled["message"] == message
    assert cluster.events("big") == [("FailedScheduling", message)]

    cordoned = cluster.api.get("Node", "dockyard")
    cordoned["spec"]["unschedulable"] = True
    cluster.api.update("Node", cordoned)
    cluster.api.create("Pod", pod("small"))
    await cluster.settle()
    taints = cluster.api.get("Node", "dockyard")["spec"]["taints"]
    assert [taint["key"] for taint in taints] == ["node.kubernetes.io/unschedulable"]
    assert cluster.pod("small")["status"]["phase"] == "Pending"

    free = cluster.api.get("Node", "dockyard")
    free["spec"]["unschedulable"] = False
    cluster.api.update("Node", free)
    await cluster.settle()
    assert cluster.pod("small")["status"]["phase"] == "Running"
    assert cluster.pod("big")["status"]["phase"] == "Pending"
    told = [reason for reason, _ in cluster.events("dockyard")]
    assert told == ["NodeReady", "NodeNotSchedulable", "NodeSchedulable"]
    await cluster.stop()
