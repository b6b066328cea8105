"""Which node a Pod gets: spreading, affinity to nodes and Pods, taints to be avoided."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from dockyard.cluster.errors import Invalid
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, deployment, pod

HOST = "kubernetes.io/hostname"


def nodes_of(cluster: FakeCluster, app: str | None = None) -> list[str]:
    """The nodes of the Pods, sorted; '' for one that waits."""
    pods = cluster.api.list("Pod", "default", labels={"app": app} if app else None)
    return sorted(found["spec"].get("nodeName", "") for found in pods)


def label(cluster: FakeCluster, node: str, **labels: str) -> None:
    cluster.api.patch("Node", node, {"metadata": {"labels": labels}}, "merge")


def term(app: str, key: str = HOST) -> Manifest:
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}


def required(*terms: Manifest) -> Manifest:
    return {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}


def preferred(*terms: Manifest) -> Manifest:
    weighted = [{"weight": 100, "podAffinityTerm": found} for found in terms]
    return {"preferredDuringSchedulingIgnoredDuringExecution": weighted}


async def create(cluster: FakeCluster, name: str, app: str = "", **spec: Any) -> Manifest:
    """A Pod, and what became of it."""
    made = pod(name, spec=spec)
    made["metadata"]["labels"] = {"app": app} if app else {}
    cluster.api.create("Pod", made)
    await cluster.settle()
    return cluster.pod(name)


async def test_replicas_are_spread_over_the_nodes(cluster: FakeCluster) -> None:
    cluster.api.create("Deployment", deployment(replicas=6))
    await cluster.settle()
    assert Counter(nodes_of(cluster)) == {"a": 2, "b": 2, "c": 2}


async def test_bare_pods_go_where_most_is_left(cluster: FakeCluster) -> None:
    for name in ("p", "q", "r"):
        await create(cluster, name)
    assert nodes_of(cluster) == ["a", "b", "c"]


async def test_required_anti_affinity_leaves_one_pod_a_node(cluster: FakeCluster) -> None:
    apart = {"podAntiAffinity": required(term("web"))}
    cluster.api.create("Deployment", deployment(replicas=4, pod_spec={"affinity": apart}))
    await cluster.settle()
    assert nodes_of(cluster) == ["", "a", "b", "c"]
    (message,) = {m for reason, m in cluster.events() if reason == "FailedScheduling"}
    assert message == (
        "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. "
        "no new claims to deallocate, preemption: 0/3 nodes are available: "
        "3 No preemption victims found for incoming pod."
    )


async def test_a_pod_that_wants_nobody_near_keeps_others_away(cluster: FakeCluster) -> None:
    lonely = await create(cluster, "lonely", affinity={"podAntiAffinity": required(term("web"))})
    cluster.api.create("Deployment", deployment(replicas=4))
    await cluster.settle()
    assert lonely["spec"]["nodeName"] not in nodes_of(cluster, "web")
    assert len(nodes_of(cluster, "web")) == 4


async def test_required_affinity_joins_the_pod_that_it_names(cluster: FakeCluster) -> None:
    near = {"podAffinity": required(term("db"))}
    early = await create(cluster, "early", affinity=near)
    assert "nodeName" not in early["spec"]
    assert "didn't match pod affinity rules" in early["status"]["conditions"][0]["message"]
    db = await create(cluster, "db", "db", nodeSelector={HOST: "b"})
    assert cluster.pod("early")["spec"]["nodeName"] == db["spec"]["nodeName"] == "b"
    assert (await create(cluster, "late", affinity=near))["spec"]["nodeName"] == "b"


async def test_the_first_of_a_group_may_start_anywhere_and_the_others_follow(cluster: FakeCluster) -> None:
    together = {"podAffinity": required(term("web"))}
    cluster.api.create("Deployment", deployment(replicas=3, pod_spec={"affinity": together}))
    await cluster.settle()
    assert len(set(nodes_of(cluster))) == 1
    assert "" not in nodes_of(cluster)


async def test_preferences_are_followed_where_they_can_be(cluster: FakeCluster) -> None:
    await create(cluster, "db", "db", nodeSelector={HOST: "c"})
    near = await create(cluster, "near", "x", affinity={"podAffinity": preferred(term("db"))})
    assert near["spec"]["nodeName"] == "c"
    apart = {"podAntiAffinity": preferred(term("web"))}
    cluster.api.create("Deployment", deployment(replicas=4, pod_spec={"affinity": apart}))
    await cluster.settle()
    assert sorted(Counter(nodes_of(cluster, "web")).values()) == [1, 1, 2]


async def test_affinity_looks_into_the_namespaces_that_it_names(cluster: FakeCluster) -> None:
    cluster.api.create("Namespace", {"metadata": {"name": "other", "labels": {"team": "blue"}}})
    away = pod("db", spec={"nodeSelector": {HOST: "b"}})
    away["metadata"] |= {"namespace": "other", "labels": {"app": "db"}}
    cluster.api.create("Pod", away)
    await cluster.settle()
    here = await create(cluster, "here", affinity={"podAffinity": required(term("db"))})
    assert "nodeName" not in here["spec"]
    named = term("db") | {"namespaces": ["other"]}
    assert (await create(cluster, "n", affinity={"podAffinity": required(named)}))["spec"]["nodeName"] == "b"
    chosen = term("db") | {"namespaceSelector": {"matchLabels": {"team": "blue"}}}
    assert (await create(cluster, "s", affinity={"podAffinity": required(chosen)}))["spec"]["nodeName"] == "b"


async def test_topology_spread_keeps_the_skew_small_over_zones(cluster: FakeCluster) -> None:
    label(cluster, "a", zone="one")
    label(cluster, "b", zone="one")
    label(cluster, "c", zone="two")
    rule = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    rule["labelSelector"] = {"matchLabels": {"app": "web"}}
    cluster.api.create("Deployment", deployment(replicas=4, pod_spec={"topologySpreadConstraints": [rule]}))
    await cluster.settle()
    assert nodes_of(cluster) == ["a", "b", "c", "c"]


async def test_topology_spread_that_cannot_hold_makes_a_pod_wait(cluster: FakeCluster) -> None:
    rule: Manifest = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule"}
    rule["labelSelector"] = {"matchLabels": {"app": "web"}}
    cluster.api.patch("Node", "c", {"spec": {"unschedulable": True}}, "merge")
    cluster.api.create("Deployment", deployment(replicas=3, pod_spec={"topologySpreadConstraints": [rule]}))
    await cluster.settle()
    assert nodes_of(cluster) == ["", "a", "b"]
    message = next(m for reason, m in cluster.events() if reason == "FailedScheduling")
    assert message.startswith(
        "0/3 nodes are available: 1 node(s) were unschedulable, "
        "2 node(s) didn't match pod topology spread constraints."
    )
    cluster.api.patch("Node", "c", {"spec": {"unschedulable": None}}, "merge")
    await cluster.settle()
    assert nodes_of(cluster) == ["a", "b", "c"]


async def test_schedule_anyway_only_prefers_an_even_spread(cluster: FakeCluster) -> None:
    rule: Manifest = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway"}
    rule["labelSelector"] = {"matchLabels": {"app": "web"}}
    cluster.api.patch("Node", "c", {"spec": {"unschedulable": True}}, "merge")
    cluster.api.create("Deployment", deployment(replicas=4, pod_spec={"topologySpreadConstraints": [rule]}))
    await cluster.settle()
    assert nodes_of(cluster) == ["a", "a", "b", "b"]


async def test_preferred_node_affinity_and_soft_taints_decide_between_nodes(cluster: FakeCluster) -> None:
    label(cluster, "b", disk="ssd")
    wish = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    rules = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 50, "preference": wish}]}
    assert (await create(cluster, "p", affinity={"nodeAffinity": rules}))["spec"]["nodeName"] == "b"
    for name in ("a", "b"):
        taints = [{"key": "old", "effect": "PreferNoSchedule"}]
        cluster.api.patch("Node", name, {"spec": {"taints": taints}}, "merge")
    assert (await create(cluster, "q"))["spec"]["nodeName"] == "c"


@pytest.mark.parametrize("gated", [True, False])
async def test_scheduling_gates_hold_a_pod_back(cluster: FakeCluster, gated: bool) -> None:
    spec: Manifest = {"schedulingGates": [{"name": "example.test/gate"}]} if gated else {}
    made = await create(cluster, "p", **spec)
    assert ("nodeName" in made["spec"]) is not gated
    if gated:
        more = {"spec": {"schedulingGates": [{"name": "example.test/other"}]}}
        with pytest.raises(Invalid, match="only deletion is allowed"):
            cluster.api.patch("Pod", "p", more, "merge", namespace="default")
        ready = {"spec": {"schedulingGates": None, "nodeSelector": {HOST: "c"}}}
        cluster.api.patch("Pod", "p", ready, "merge", namespace="default")
        await cluster.settle()
        assert cluster.pod("p")["spec"]["nodeName"] == "c"
