"""Nodes that fall silent, come back, are tainted or removed, and what becomes of their Pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.controllers.nodelifecycle import GRACE_ANNOTATION
from dockyard.cluster.podstate import condition, is_ready
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, deployment, pod

NAMES = ("a", "b", "c")
TARGET = "DisruptionTarget"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    found = FakeCluster(tmp_path, nodes=NAMES)
    yield await found.start()
    await found.stop()


def taints(cluster: FakeCluster, node: str) -> list[tuple[str, str]]:
    found = cluster.api.get("Node", node)["spec"].get("taints") or ()
    return [(taint["key"].rpartition("/")[2], taint["effect"]) for taint in found]


def ready(cluster: FakeCluster, node: str) -> Manifest:
    found = condition(cluster.api.get("Node", node), "Ready")
    assert found is not None
    return found


def on(cluster: FakeCluster, node: str) -> list[Manifest]:
    return cluster.api.list("Pod", "default", fields=f"spec.nodeName={node}")


def active(cluster: FakeCluster) -> list[str]:
    """The nodes of the Pods that are not ending."""
    return sorted(
        p["spec"].get("nodeName", "") for p in cluster.pods() if "deletionTimestamp" not in p["metadata"]
    )


async def create(cluster: FakeCluster, name: str, node: str, **spec: Any) -> None:
    selector = {"nodeSelector": {"kubernetes.io/hostname": node}}
    cluster.api.create("Pod", pod(name, spec=selector | spec))
    await cluster.settle()


async def taint(cluster: FakeCluster, node: str, *found: Manifest) -> None:
    cluster.api.patch("Node", node, {"spec": {"taints": list(found)}}, "merge")
    await cluster.settle()


async def test_a_node_without_power_is_lost_after_50_seconds_of_silence(cluster: FakeCluster) -> None:
    cluster.api.create("Deployment", deployment(replicas=3))
    await cluster.settle()
    await cluster.stop_node("b")
    (lost,) = on(cluster, "b")
    assert not any(p.running for p in cluster.runtime.processes.values() if p.pod == lost["metadata"]["name"])
    await cluster.advance(39)
    assert ready(cluster, "b")["status"] == "True"
    assert is_ready(cluster.pod(lost["metadata"]["name"])), "nobody has told"
    await cluster.advance(12)
    found = ready(cluster, "b")
    assert (found["status"], found["reason"], found["message"]) == (
        "Unknown",
        "NodeStatusUnknown",
        "Kubelet stopped posting node status.",
    )
    assert taints(cluster, "b") == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
    gone = cluster.pod(lost["metadata"]["name"])
    assert not is_ready(gone)
    assert gone["status"]["phase"] == "Running"
    assert ("NodeNotReady", "Node is not ready") in cluster.events(lost["metadata"]["name"])
    assert ("NodeNotReady", "Node b status is now: NodeNotReady") in cluster.events("b")
    assert [ready(cluster, name)["status"] for name in ("a", "c")] == ["True", "True"]


async def test_pods_of_a_lost_node_are_evicted_in_the_end_and_replaced_elsewhere(
    cluster: FakeCluster,
) -> None:
    cluster.api.create("Deployment", deployment(replicas=3))
    await cluster.settle()
    (lost,) = on(cluster, "b")
    name = lost["metadata"]["name"]
    await cluster.stop_node("b")
    await cluster.advance(51 + 290)
    assert active(cluster) == ["a", "b", "c"]
    await cluster.advance(20)
    assert "b" not in active(cluster)
    assert len(active(cluster)) == 3
    evicted = cluster.pod(name)
    target = condition(evicted, TARGET)
    assert "deletionTimestamp" in evicted["metadata"], "only its node could say that it has ended"
    assert target is not None
    assert target["reason"] == "DeletionByTaintManager"
    assert ("TaintManagerEviction", f"Marking for deletion Pod default/{name}") in cluster.events(name)
    await cluster.advance(600)
    assert cluster.pod(name)

    await cluster.start_node("b")
    await cluster.advance(35)
    assert ready(cluster, "b")["status"] == "True"
    assert taints(cluster, "b") == []
    assert on(cluster, "b") == []
    assert ("NodeReady", "Node b status is now: NodeReady") in cluster.events("b")


async def test_a_node_that_comes_back_in_time_keeps_its_pods(cluster: FakeCluster) -> None:
    await create(cluster, "p", "b")
    before = cluster.pod("p")
    await cluster.stop_node("b")
    assert before["metadata"]["uid"] in cluster.runtime.network.cut_off
    await cluster.advance(100)
    assert not is_ready(cluster.pod("p"))
    await cluster.start_node("b")
    await cluster.advance(1)
    after = cluster.pod("p")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert is_ready(after)
    assert after["status"]["containerStatuses"][0]["restartCount"] == 1
    assert cluster.runtime.network.cut_off == set()
    assert cluster.runtime.process_of("p").running
    assert ("TaintManagerEviction", "Cancelling deletion of Pod default/p") in cluster.events("p")
    await cluster.advance(400)
    assert is_ready(cluster.pod("p"))


async def test_no_pod_is_scheduled_to_a_lost_node(cluster: FakeCluster) -> None:
    await cluster.stop_node("b")
    await cluster.advance(51)
    cluster.api.create("Deployment", deployment(replicas=6))
    await cluster.settle()
    assert set(active(cluster)) == {"a", "c"}


async def test_an_annotation_shortens_the_grace_period_of_its_node(cluster: FakeCluster) -> None:
    cluster.api.patch("Node", "b", {"metadata": {"annotations": {GRACE_ANNOTATION: "5"}}}, "merge")
    await cluster.advance(6)
    assert ready(cluster, "b")["status"] == "Unknown", "its heartbeats come every 10 s"
    await cluster.advance(5)
    assert ready(cluster, "b")["status"] == "True", "and the next one says that it is well"
    cluster.api.patch("Node", "b", {"metadata": {"annotations": {GRACE_ANNOTATION: "15"}}}, "merge")
    await cluster.stop_node("b")
    await cluster.advance(16)
    assert ready(cluster, "b")["status"] == "Unknown"


async def test_nothing_is_evicted_while_no_node_is_ready(cluster: FakeCluster) -> None:
    cluster.api.create("Deployment", deployment(replicas=3))
    await cluster.settle()
    for name in NAMES:
        await cluster.stop_node(name)
    await cluster.advance(1000)
    assert active(cluster) == ["a", "b", "c"]
    assert taints(cluster, "a") == [("unreachable", "NoSchedule")]
    await cluster.start_node("a")
    await cluster.advance(1)
    assert taints(cluster, "a") == []
    assert taints(cluster, "b") == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]


async def test_a_node_that_nobody_posts_is_unknown_after_a_minute(cluster: FakeCluster) -> None:
    cluster.api.create("Node", {"metadata": {"name": "ghost"}})
    await cluster.advance(59)
    assert condition(cluster.api.get("Node", "ghost"), "Ready") is None
    await cluster.advance(2)
    found = ready(cluster, "ghost")
    assert (found["status"], found["message"]) == ("Unknown", "Kubelet never posted node status.")


async def test_a_no_execute_taint_ends_who_does_not_tolerate_it(cluster: FakeCluster) -> None:
    await create(cluster, "plain", "a")
    await create(cluster, "tolerant", "a", tolerations=[{"key": "fire", "operator": "Exists"}])
    brief = {"key": "fire", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    await create(cluster, "brief", "a", tolerations=[brief])
    await taint(cluster, "a", {"key": "fire", "effect": "NoExecute"})
    await cluster.advance(1)
    assert [p["metadata"]["name"] for p in on(cluster, "a")] == ["brief", "tolerant"]
    await cluster.advance(30)
    assert [p["metadata"]["name"] for p in on(cluster, "a")] == ["tolerant"]


async def test_a_taint_that_goes_in_time_cancels_the_eviction(cluster: FakeCluster) -> None:
    brief = {"key": "fire", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    await create(cluster, "brief", "a", tolerations=[brief])
    await taint(cluster, "a", {"key": "fire", "effect": "NoExecute"})
    await cluster.advance(20)
    await taint(cluster, "a")
    await cluster.advance(60)
    assert is_ready(cluster.pod("brief"))
    assert ("TaintManagerEviction", "Cancelling deletion of Pod default/brief") in cluster.events("brief")


async def test_pods_of_a_node_that_was_removed_are_removed_too(cluster: FakeCluster) -> None:
    await create(cluster, "p", "b")
    await cluster.advance(60)
    await cluster.stop_node("b")
    cluster.api.delete("Node", "b")
    await cluster.settle()
    assert cluster.api.find("Pod", "p", "default") is None
    (last,) = [e.object for e in cluster.timeline if e.kind == "Pod" and e.type == "DELETED"]
    target = condition(last, TARGET)
    assert target is not None
    assert (last["status"]["phase"], target["message"]) == ("Failed", "PodGC: node no longer exists")


async def test_an_out_of_service_taint_gives_up_what_ends_on_a_lost_node(cluster: FakeCluster) -> None:
    await create(cluster, "p", "b")
    await cluster.stop_node("b")
    await cluster.advance(51)
    cluster.api.delete("Pod", "p", "default")
    await cluster.advance(60)
    assert "deletionTimestamp" in cluster.pod("p")["metadata"]
    found = cluster.api.get("Node", "b")["spec"]["taints"]
    gone = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    await taint(cluster, "b", *found, gone)
    assert cluster.api.find("Pod", "p", "default") is None
    await cluster.start_node("b")
    assert cluster.agents["b"].workers == {}


async def test_events_of_a_kubelet_name_its_node(cluster: FakeCluster) -> None:
    await create(cluster, "p", "c")
    found = [e.object for e in cluster.timeline if e.kind == "Event" and e.object["reason"] == "Started"]
    assert [(event["source"]["host"], event["reportingInstance"]) for event in found] == [("c", "c")]
