"""Disruption budgets: what they report, and which evictions they let pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.disruption import evict
from dockyard.cluster.errors import ApiError, TooManyRequests
from tests.cluster.harness import FakeCluster, deployment

Manifest = dict[str, Any]

REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."


def budget(name: str = "web", app: str = "web", **spec: Any) -> Manifest:
    selector = {"matchLabels": {"app": app}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"selector": selector, **spec}}


async def running(root: Path, *, replicas: int = 3, **spec: Any) -> FakeCluster:
    """A Deployment `web` whose Pods are Ready, and a budget for it."""
    cluster = await FakeCluster(root).start()
    cluster.api.create("Deployment", deployment(replicas=replicas))
    cluster.api.create("PodDisruptionBudget", budget(**spec))
    await cluster.advance(10)
    return cluster


def status_of(cluster: FakeCluster) -> Manifest:
    found: Manifest = cluster.api.get("PodDisruptionBudget", "web", "default")["status"]
    return found


def names(cluster: FakeCluster) -> list[str]:
    return [pod["metadata"]["name"] for pod in cluster.pods()]


@pytest.mark.parametrize(
    ("spec", "replicas", "desired", "allowed"),
    [
        ({"minAvailable": 2}, 3, 2, 1),
        ({"minAvailable": "50%"}, 3, 2, 1),
        ({"maxUnavailable": 1}, 3, 2, 1),
        ({"maxUnavailable": "50%"}, 5, 2, 3),
        ({"maxUnavailable": 0}, 3, 3, 0),
        ({"minAvailable": 5}, 3, 5, 0),
    ],
)
async def test_a_budget_says_how_many_pods_may_go(
    spec: Manifest, replicas: int, desired: int, allowed: int, tmp_path: Path
) -> None:
    cluster = await running(tmp_path, replicas=replicas, **spec)
    status = status_of(cluster)
    assert status["expectedPods"] == status["currentHealthy"] == replicas
    assert (status["desiredHealthy"], status["disruptionsAllowed"]) == (desired, allowed)
    (condition,) = status["conditions"]
    assert condition["reason"] == ("SufficientPods" if allowed else "InsufficientPods")
    await cluster.stop()


async def test_two_evictions_at_once_do_not_share_one_place(tmp_path: Path) -> None:
    cluster = await running(tmp_path, minAvailable=2)
    first, second, third = names(cluster)
    evict(cluster.api, first, "default", DeleteOptions())
    assert list(status_of(cluster)["disruptedPods"]) == [first]
    for name in (second, third):
        with pytest.raises(TooManyRequests) as refusal:
            evict(cluster.api, name, "default", DeleteOptions())
        assert refusal.value.message == REFUSAL
        why = "The disruption budget web needs 2 healthy pods and has 3 currently"
        assert refusal.value.details == {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    conditions = {c["type"]: c for c in cluster.pod(first)["status"]["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "EvictionByEvictionAPI"
    await cluster.advance(15)
    assert first not in names(cluster)
    assert "disruptedPods" not in status_of(cluster)
    evict(cluster.api, second, "default", DeleteOptions())  # the replacement is there
    await cluster.stop()


async def test_a_dry_run_takes_no_place(tmp_path: Path) -> None:
    cluster = await running(tmp_path, minAvailable=2)
    before = status_of(cluster)
    evict(cluster.api, names(cluster)[0], "default", DeleteOptions(), dry_run=True)
    assert status_of(cluster) == before
    assert len(names(cluster)) == 3
    await cluster.stop()


async def test_a_pod_of_two_budgets_cannot_be_evicted(tmp_path: Path) -> None:
    cluster = await running(tmp_path, minAvailable=1)
    cluster.api.create("PodDisruptionBudget", budget("second", minAvailable=1))
    await cluster.advance(1)
    with pytest.raises(ApiError) as refusal:
        evict(cluster.api, names(cluster)[0], "default", DeleteOptions())
    assert refusal.value.code == 500
    assert refusal.value.message.startswith("This pod has more than one PodDisruptionBudget")
    await cluster.stop()


@pytest.mark.parametrize(("policy", "passes"), [("IfHealthyBudget", False), ("AlwaysAllow", True)])
async def test_unready_pods_go_if_the_budget_lets_them(policy: str, passes: bool, tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    probe = {"httpGet": {"port": 8000}, "periodSeconds": 1}  # nobody listens there
    cluster.api.create("Deployment", deployment(container={"readinessProbe": probe}))
    cluster.api.create("PodDisruptionBudget", budget(minAvailable=2, unhealthyPodEvictionPolicy=policy))
    await cluster.advance(10)
    assert status_of(cluster)["currentHealthy"] == 0
    name = names(cluster)[0]
    if passes:
        evict(cluster.api, name, "default", DeleteOptions())
    else:
        with pytest.raises(TooManyRequests):
            evict(cluster.api, name, "default", DeleteOptions())
    await cluster.stop()


async def test_pods_that_cannot_be_scaled_allow_no_disruption_by_percentage(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "1", "controller": True}
    metadata = {"name": "a", "namespace": "default", "labels": {"app": "web"}, "ownerReferences": [reference]}
    spec = {"containers": [{"name": "main", "image": "app:v1", "command": ["serve"]}]}
    cluster.api.create("PodDisruptionBudget", budget(maxUnavailable=1))
    cluster.api.create("Pod", {"metadata": metadata, "spec": spec})
    cluster.manager.settle()
    status = status_of(cluster)
    assert status["disruptionsAllowed"] == 0
    assert status["conditions"][0]["reason"] == "SyncFailed"
    await cluster.stop()
