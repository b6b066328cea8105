"""Pods of higher priority push others away, and only as many as they must."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.podstate import condition
from tests.cluster.harness import FakeCluster, pod
from tests.cluster.scheduler.conftest import Start


def classes(cluster: FakeCluster) -> None:
    for name, value, more in (
        ("low", 10, {}),
        ("middle", 100, {}),
        ("high", 1000, {}),
        ("polite", 1000, {"preemptionPolicy": "Never"}),
    ):
        cluster.api.create("PriorityClass", {"metadata": {"name": name}, "value": value, **more})


async def create(cluster: FakeCluster, name: str, priority: str, cpu: str, **spec: Any) -> None:
    wanted = {"priorityClassName": priority, "terminationGracePeriodSeconds": 2} | spec
    made = pod(name, spec=wanted, resources={"requests": {"cpu": cpu}})
    made["metadata"]["labels"] = {"app": name}
    cluster.api.create("Pod", made)
    await cluster.settle()


def here(cluster: FakeCluster) -> dict[str, str]:
    """Pods and their nodes; of those that are ending the name in brackets."""
    return {
        f"({p['metadata']['name']})" if "deletionTimestamp" in p["metadata"] else p["metadata"]["name"]: p[
            "spec"
        ].get("nodeName", "")
        for p in cluster.pods()
    }


async def test_the_victim_of_least_importance_ends_and_the_pod_gets_its_place(start: Start) -> None:
    cluster = await start(cpu="2")
    classes(cluster)
    # A program that takes its time to end, so that the Pod has to wait for the room that it made.
    cluster.runtime.programs["serve"] = lambda process: process.ignores.add(15)
    for name, priority in (("x", "middle"), ("y", "low"), ("z", "middle")):
        await create(cluster, name, priority, "1500m")
    place = here(cluster)["y"]
    await create(cluster, "urgent", "high", "1")
    assert here(cluster) == {"x": "a", "(y)": "b", "z": "c", "urgent": ""}
    urgent, victim = cluster.pod("urgent"), cluster.pod("y")
    assert urgent["status"]["nominatedNodeName"] == place
    assert cluster.events("urgent") == [("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu.")]
    target = condition(victim, "DisruptionTarget")
    assert target is not None
    assert target["reason"] == "PreemptionByScheduler"
    uid = urgent["metadata"]["uid"]
    assert ("Preempted", f"Preempted by pod {uid} on node {place}") in cluster.events("y")
    await cluster.advance(4)
    assert here(cluster) == {"x": "a", "z": "c", "urgent": place}
    assert "nominatedNodeName" not in cluster.pod("urgent")["status"]


async def test_room_that_was_made_is_kept_for_the_pod_that_it_was_made_for(start: Start) -> None:
    cluster = await start(cpu="1")
    classes(cluster)
    cluster.runtime.programs["serve"] = lambda process: process.ignores.add(15)
    for name in ("x", "y", "z"):
        await create(cluster, name, "low", "1")
    await create(cluster, "urgent", "high", "600m")
    await create(cluster, "sneaky", "low", "400m")
    await cluster.advance(4)
    found = here(cluster)
    assert found["urgent"] != ""
    assert found["sneaky"] == found["urgent"], "what is left over is free"
    await create(cluster, "more", "low", "400m")
    assert here(cluster)["more"] == ""


async def test_only_as_many_as_needed_end(start: Start) -> None:
    cluster = await start(cpu="2")
    classes(cluster)
    for name, node in (("x", "a"), ("y", "a"), ("z", "b"), ("w", "c")):
        selector = {"kubernetes.io/hostname": node}
        await create(
            cluster,
            name,
            "low" if node == "a" else "high",
            "1" if node == "a" else "2",
            nodeSelector=selector,
        )
    await create(cluster, "urgent", "high", "1")
    await cluster.advance(3)
    found = here(cluster)
    assert found["urgent"] == "a"
    assert ("x" in found) != ("y" in found)


async def test_a_disruption_budget_turns_the_choice(start: Start) -> None:
    cluster = await start(cpu="1")
    classes(cluster)
    for name in ("x", "y", "z"):
        await create(cluster, name, "low", "1")
    for name in ("x", "y"):
        budget = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}},
        }
        cluster.api.create("PodDisruptionBudget", budget)
    await cluster.settle()
    await create(cluster, "urgent", "high", "1")
    await cluster.advance(3)
    assert set(here(cluster)) == {"x", "y", "urgent"}


async def test_who_may_not_preempt_waits_and_says_so(start: Start) -> None:
    cluster = await start(cpu="1")
    classes(cluster)
    for name in ("x", "y", "z"):
        await create(cluster, name, "low", "1")
    await create(cluster, "urgent", "polite", "1")
    assert set(here(cluster)) == {"x", "y", "z", "urgent"}
    ((_, message),) = cluster.events("urgent")
    assert message == (
        "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, "
        "preemption: not eligible due to preemptionPolicy=Never."
    )


async def test_equals_are_left_alone(start: Start) -> None:
    cluster = await start(cpu="1")
    classes(cluster)
    for name in ("x", "y", "z", "late"):
        await create(cluster, name, "low", "1")
    assert here(cluster)["late"] == ""
    cluster.api.delete("Pod", "y", "default")
    await cluster.advance(3)
    assert here(cluster) == {"x": "a", "late": "b", "z": "c"}
