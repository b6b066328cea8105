"""DaemonSets over several nodes: where their Pods are, and how they are replaced."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.errors import Invalid
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster


def daemonset(name: str = "agent", *, pod_spec: Manifest | None = None, **spec: Any) -> Manifest:
    """A small DaemonSet."""
    container = {"name": "app", "image": "app:v1", "command": ["serve"]}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1} | (pod_spec or {}),
    }
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template} | spec,
    }


def nodes(cluster: FakeCluster) -> list[str]:
    """The nodes of the daemon's Pods, sorted."""
    return sorted(pod["spec"].get("nodeName", "") for pod in cluster.pods())


def status(cluster: FakeCluster) -> Manifest:
    found: Manifest = cluster.api.get("DaemonSet", "agent", "default")["status"]
    return found


def update(cluster: FakeCluster, value: str) -> None:
    found = cluster.api.get("DaemonSet", "agent", "default")
    found["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "V", "value": value}]
    cluster.api.update("DaemonSet", found)


def values(cluster: FakeCluster) -> list[str]:
    environments = (pod["spec"]["containers"][0].get("env", [{"value": ""}]) for pod in cluster.pods())
    return sorted(environment[0]["value"] for environment in environments)


def change_node(cluster: FakeCluster, name: str, patch: Manifest) -> None:
    cluster.api.patch("Node", name, patch, "merge")


def least_available(cluster: FakeCluster) -> int:
    """The smallest number of available daemons that any status since the start has shown."""
    shown = [v["status"].get("numberAvailable", 0) for v in cluster.history("DaemonSet", "agent")]
    return int(min(shown))


async def test_every_node_gets_one_also_a_cordoned_one(three_nodes: FakeCluster) -> None:
    change_node(three_nodes, "b", {"spec": {"unschedulable": True}})
    three_nodes.api.create("DaemonSet", daemonset())
    await three_nodes.advance(3)
    assert nodes(three_nodes) == ["a", "b", "c"]
    assert status(three_nodes)["numberAvailable"] == status(three_nodes)["desiredNumberScheduled"] == 3


async def test_it_follows_labels_of_nodes(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("DaemonSet", daemonset(pod_spec={"nodeSelector": {"disk": "ssd"}}))
    await three_nodes.advance(3)
    assert (nodes(three_nodes), status(three_nodes)["desiredNumberScheduled"]) == ([], 0)
    change_node(three_nodes, "b", {"metadata": {"labels": {"disk": "ssd"}}})
    await three_nodes.advance(3)
    assert nodes(three_nodes) == ["b"]
    change_node(three_nodes, "b", {"metadata": {"labels": {"disk": None}}})
    await three_nodes.advance(5)
    assert nodes(three_nodes) == []


async def test_a_taint_keeps_new_daemons_away_and_only_no_execute_ends_those_that_run(
    three_nodes: FakeCluster,
) -> None:
    change_node(three_nodes, "a", {"spec": {"taints": [{"key": "own", "effect": "NoSchedule"}]}})
    three_nodes.api.create("DaemonSet", daemonset())
    await three_nodes.advance(3)
    assert nodes(three_nodes) == ["b", "c"]
    change_node(three_nodes, "b", {"spec": {"taints": [{"key": "own", "effect": "NoSchedule"}]}})
    await three_nodes.advance(3)
    assert nodes(three_nodes) == ["b", "c"]
    assert (status(three_nodes)["numberMisscheduled"], status(three_nodes)["desiredNumberScheduled"]) == (
        1,
        1,
    )
    change_node(three_nodes, "c", {"spec": {"taints": [{"key": "own", "effect": "NoExecute"}]}})
    await three_nodes.advance(5)
    assert nodes(three_nodes) == ["b"]


async def test_an_update_takes_no_more_nodes_at_a_time_than_it_may(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("DaemonSet", daemonset())
    await three_nodes.advance(5)
    three_nodes.timeline.clear()
    update(three_nodes, "2")
    await three_nodes.advance(30)
    assert values(three_nodes) == ["2", "2", "2"]
    assert least_available(three_nodes) == 2
    assert status(three_nodes)["updatedNumberScheduled"] == 3


async def test_an_update_with_surge_loses_no_daemon(three_nodes: FakeCluster) -> None:
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    three_nodes.api.create("DaemonSet", daemonset(updateStrategy=strategy))
    await three_nodes.advance(5)
    three_nodes.timeline.clear()
    update(three_nodes, "2")
    await three_nodes.advance(30)
    assert (values(three_nodes), nodes(three_nodes)) == (["2", "2", "2"], ["a", "b", "c"])
    assert least_available(three_nodes) == 3


async def test_on_delete_waits_for_somebody_to_delete_the_old_pods(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("DaemonSet", daemonset(updateStrategy={"type": "OnDelete"}))
    await three_nodes.advance(5)
    update(three_nodes, "2")
    await three_nodes.advance(10)
    assert values(three_nodes) == ["", "", ""]
    three_nodes.api.delete("Pod", three_nodes.pods()[0]["metadata"]["name"], "default")
    await three_nodes.advance(10)
    assert values(three_nodes) == ["", "", "2"]


async def test_a_bad_update_stops_at_the_first_node_and_going_back_reuses_the_revision(
    three_nodes: FakeCluster,
) -> None:
    three_nodes.api.create("DaemonSet", daemonset())
    await three_nodes.advance(5)
    found = three_nodes.api.get("DaemonSet", "agent", "default")
    found["spec"]["template"]["spec"]["containers"][0]["command"] = ["/no/such/program"]
    three_nodes.api.update("DaemonSet", found)
    await three_nodes.advance(30)
    assert (status(three_nodes)["numberAvailable"], status(three_nodes)["updatedNumberScheduled"]) == (2, 1)
    first = min(three_nodes.api.list("ControllerRevision", "default"), key=lambda r: r["revision"])
    three_nodes.api.patch("DaemonSet", "agent", first["data"], "strategic", namespace="default")
    await three_nodes.advance(30)
    assert (status(three_nodes)["numberAvailable"], status(three_nodes)["updatedNumberScheduled"]) == (3, 3)
    revisions = three_nodes.api.list("ControllerRevision", "default")
    assert sorted(revision["revision"] for revision in revisions) == [2, 3]
    kept = three_nodes.api.get("ControllerRevision", first["metadata"]["name"], "default")
    assert kept["revision"] == 3


async def test_a_daemon_that_failed_for_good_is_replaced(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("DaemonSet", daemonset())
    await three_nodes.advance(5)
    failed = three_nodes.pods()[0]
    name, node = failed["metadata"]["name"], failed["spec"]["nodeName"]
    three_nodes.api.update_status("Pod", failed | {"status": failed["status"] | {"phase": "Failed"}})
    await three_nodes.advance(5)
    assert nodes(three_nodes) == ["a", "b", "c"]
    message = f"Found failed daemon pod default/{name} on node {node}, will try to kill it"
    assert ("FailedDaemonPod", message) in three_nodes.events("agent")


async def test_clients_cannot_number_the_templates(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("DaemonSet", daemonset())
    name = "deprecated.daemonset.template.generation"
    patch = {"metadata": {"annotations": {name: "7"}}}
    three_nodes.api.patch("DaemonSet", "agent", patch, "merge", namespace="default")
    update(three_nodes, "2")
    found = three_nodes.api.get("DaemonSet", "agent", "default")
    assert found["metadata"]["annotations"][name] == "2"


@pytest.mark.parametrize(
    ("rolling", "problem"),
    [
        ({"maxSurge": 1}, "maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"),
        ({"maxUnavailable": "0%"}, "maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    ],
)
async def test_an_update_has_either_surge_or_unavailable_nodes(
    three_nodes: FakeCluster, rolling: Manifest, problem: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        three_nodes.api.create("DaemonSet", daemonset(updateStrategy={"rollingUpdate": rolling}))
    assert f"spec.updateStrategy.rollingUpdate.{problem}" in refusal.value.message
