"""A node short of memory: who has to go, what is said of it, and who may not come.

The texts and the order are those of the kubelet's sources (pkg/kubelet/eviction), v1.36.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from dockyard.cluster.node.ranking import Consumer, ranked
from dockyard.cluster.podstate import condition, is_true
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, deployment, pod

MIB = 1 << 20
CACHE = 1 * MIB  # what a fake container holds beside its own
TAINT = "node.kubernetes.io/memory-pressure"


@pytest_asyncio.fixture
async def small(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    """A cluster of one node with 500Mi: its Pods may use 400."""
    made = await FakeCluster(tmp_path, offer={"memory": "500Mi"}).start()
    yield made
    await made.stop()


def resources(request: str = "", limit: str = "") -> Manifest:
    found = {"requests": {"memory": request}} if request else {}
    return found | ({"limits": {"memory": limit}} if limit else {})


def run(cluster: FakeCluster, name: str, request: str = "", **spec: object) -> None:
    cluster.api.create("Pod", pod(name, spec=dict(spec), resources=resources(request)))


def hold(cluster: FakeCluster, name: str, mebibytes: int) -> None:
    """Let the Pod's process use so much from now on."""
    cluster.runtime.process_of(name).memory = mebibytes * MIB + CACHE


def evicted(cluster: FakeCluster) -> list[str]:
    """The Pods that were evicted, in order."""
    return [
        event.object["involvedObject"]["name"]
        for event in cluster.timeline
        if event.kind == "Event" and event.type == "ADDED" and event.object["reason"] == "Evicted"
    ]


def node(cluster: FakeCluster) -> Manifest:
    return cluster.api.get("Node", "dockyard")


def taints(cluster: FakeCluster) -> list[str]:
    return [taint["key"] for taint in node(cluster)["spec"].get("taints") or ()]


async def test_what_a_node_short_of_memory_says(small: FakeCluster) -> None:
    run(small, "greedy", "64Mi")
    await small.advance(1)
    hold(small, "greedy", 410)
    await small.advance(10)

    left = small.pod("greedy")
    message = (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "
        "Container main was using 410Mi, request is 64Mi, has larger consumption of memory. "
    )
    status = left["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", message)
    target = condition(left, "DisruptionTarget")
    assert target is not None
    assert (target["status"], target["reason"], target["message"]) == (
        "True",
        "TerminationByKubelet",
        message,
    )
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    assert "deletionTimestamp" not in left["metadata"]
    assert ("Evicted", message) in small.events("greedy")
    told = small.events("dockyard")
    assert ("EvictionThresholdMet", "Attempting to reclaim memory") in told
    assert ("NodeHasInsufficientMemory", "Node dockyard status is now: NodeHasInsufficientMemory") in told
    pressure = condition(node(small), "MemoryPressure")
    assert pressure is not None
    assert (pressure["status"], pressure["reason"]) == ("True", "KubeletHasInsufficientMemory")
    assert taints(small) == [TAINT]


async def test_its_end_is_told_when_its_containers_have_ended(small: FakeCluster) -> None:
    run(small, "greedy")
    await small.advance(1)
    small.runtime.process_of("greedy").ignores.add(15)
    hold(small, "greedy", 410)
    await small.advance(9.5)
    assert evicted(small) == ["greedy"]
    leaving = small.pod("greedy")
    assert (leaving["status"]["phase"], is_true(leaving, "Ready")) == ("Running", False)
    await small.advance(1)  # all the grace that there is
    assert small.pod("greedy")["status"]["phase"] == "Failed"
    assert small.pod("greedy")["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


async def test_requests_come_before_priority_and_priority_before_use(small: FakeCluster) -> None:
    for name, value in (("high", 1000), ("low", -1)):
        small.api.create("PriorityClass", {"metadata": {"name": name}, "value": value})
    run(small, "within-and-low", "200Mi", priorityClassName="low")
    run(small, "far-beyond-and-high", "10Mi", priorityClassName="high")
    run(small, "beyond", "50Mi")
    run(small, "further-beyond")
    await small.advance(1)
    for name, size in (("within-and-low", 190), ("far-beyond-and-high", 180)):
        hold(small, name, size)
    for name in ("beyond", "further-beyond"):
        hold(small, name, 60)
    await small.advance(15)
    assert evicted(small) == ["further-beyond", "beyond"]
    hold(small, "far-beyond-and-high", 230)
    await small.advance(10)
    assert evicted(small)[2:] == ["far-beyond-and-high"]
    hold(small, "within-and-low", 450)
    await small.advance(10)
    assert evicted(small)[3:] == ["within-and-low"]


async def test_pods_that_the_system_needs_stay(small: FakeCluster) -> None:
    run(small, "needed", priorityClassName="system-node-critical")
    await small.advance(1)
    hold(small, "needed", 450)
    await small.advance(30)
    assert evicted(small) == []
    assert is_true(node(small), "MemoryPressure")


async def test_one_at_a_time_and_no_more_than_needed(small: FakeCluster) -> None:
    for name in ("a", "b", "c"):
        run(small, name)
    await small.advance(1)
    for name, size in (("a", 150), ("b", 140), ("c", 130)):
        hold(small, name, size)
    await small.advance(60)
    assert evicted(small) == ["a"]


async def test_the_condition_outlasts_the_shortage_by_five_minutes(small: FakeCluster) -> None:
    run(small, "greedy")
    await small.advance(1)
    hold(small, "greedy", 410)
    await small.advance(300)
    assert taints(small) == [TAINT]
    await small.advance(20)
    assert taints(small) == []
    assert not is_true(node(small), "MemoryPressure")
    assert (
        "NodeHasSufficientMemory",
        "Node dockyard status is now: NodeHasSufficientMemory",
    ) in small.events("dockyard")


async def test_a_replica_that_was_evicted_is_replaced_and_waits(small: FakeCluster) -> None:
    small.api.create("Deployment", deployment(replicas=1))
    await small.advance(1)
    first = small.pods()[0]["metadata"]["name"]
    hold(small, first, 410)
    await small.advance(30)
    phases = {p["metadata"]["name"]: p["status"]["phase"] for p in small.pods()}
    assert phases.pop(first) == "Failed"
    assert list(phases.values()) == ["Pending"]
    (name,) = phases
    assert small.events(name)[0][1].startswith("0/1 nodes are available: 1 node(s) had untolerated taint(s)")


async def test_who_asks_for_nothing_is_refused_while_memory_is_short(small: FakeCluster) -> None:
    run(small, "greedy")
    await small.advance(1)
    hold(small, "greedy", 410)
    await small.advance(15)
    tolerant = [{"key": TAINT, "operator": "Exists"}]
    run(small, "nothing", nodeName="dockyard")
    run(small, "something", "10Mi", nodeName="dockyard")
    run(small, "tolerant", nodeName="dockyard", tolerations=tolerant)
    await small.advance(1)
    refused = small.pod("nothing")["status"]
    assert (refused["phase"], refused["reason"]) == ("Failed", "Evicted")
    assert refused["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    assert "containerStatuses" not in refused
    assert small.pod("something")["status"]["phase"] == "Running"
    assert small.pod("tolerant")["status"]["phase"] == "Running"


async def test_a_node_without_memory_of_its_own_evicts_nobody(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    run(cluster, "greedy")
    await cluster.advance(1)
    hold(cluster, "greedy", 1 << 30)
    await cluster.advance(30)
    assert evicted(cluster) == []
    await cluster.stop()


async def test_a_node_that_was_off_has_forgotten_its_shortage(small: FakeCluster) -> None:
    run(small, "greedy")
    await small.advance(1)
    hold(small, "greedy", 410)
    await small.advance(15)
    await small.stop_node("dockyard")
    await small.start_node("dockyard")
    await small.advance(1)
    assert not is_true(node(small), "MemoryPressure")
    assert taints(small) == []


consumers = st.builds(
    lambda used, request, priority: Consumer(
        {
            "spec": {
                "priority": priority,
                "containers": [{"name": "main", "resources": resources(f"{request}")}],
            }
        },
        {"main": used},
    ),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(-2, 2),
)


@given(st.lists(consumers, max_size=8))
def test_nobody_within_his_requests_goes_before_one_beyond_them(found: list[Consumer]) -> None:
    order = ranked(found)
    beyond = [consumer.excess > 0 for consumer in order]
    assert beyond == sorted(beyond, reverse=True)
    for first, then in pairwise(order):
        if (first.excess > 0) == (then.excess > 0):
            a, b = first.pod["spec"]["priority"], then.pod["spec"]["priority"]
            assert a < b or (a == b and first.excess >= then.excess)
