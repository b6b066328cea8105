"""ResourceQuotas: counting, refusing, and giving back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.errors import ApiError, Forbidden
from tests.cluster.harness import FakeCluster, deployment, pod

Manifest = dict[str, Any]


async def limited(root: Path, hard: Manifest, **spec: Any) -> FakeCluster:
    cluster = await FakeCluster(root).start()
    metadata = {"name": "q", "namespace": "default"}
    cluster.api.create("ResourceQuota", {"metadata": metadata, "spec": {"hard": hard, **spec}})
    await cluster.settle()
    return cluster


def used(cluster: FakeCluster) -> Manifest:
    found: Manifest = cluster.api.get("ResourceQuota", "q", "default")["status"]["used"]
    return found


def asking(name: str, **requests: str) -> Manifest:
    return pod(name, resources={"requests": requests})


async def test_what_is_there_already_is_counted(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    cluster.api.create("Pod", asking("early", cpu="250m", memory="64Mi"))
    hard = {"pods": "2", "requests.cpu": "1", "memory": "1Gi", "count/deployments.apps": "1"}
    metadata = {"name": "q", "namespace": "default"}
    cluster.api.create("ResourceQuota", {"metadata": metadata, "spec": {"hard": hard}})
    await cluster.settle()
    counted = {"pods": "1", "requests.cpu": "250m", "memory": "64Mi", "count/deployments.apps": "0"}
    assert used(cluster) == counted
    await cluster.stop()


async def test_the_last_place_is_given_once(tmp_path: Path) -> None:
    cluster = await limited(tmp_path, {"pods": "1"})
    cluster.api.create("Pod", pod("first"))
    with pytest.raises(Forbidden) as refusal:  # the quota's controller has not run in between
        cluster.api.create("Pod", pod("second"))
    why = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
    assert refusal.value.message == f'pods "second" is forbidden: {why}'
    await cluster.stop()


async def test_a_dry_run_is_judged_and_not_counted(tmp_path: Path) -> None:
    cluster = await limited(tmp_path, {"pods": "1"})
    cluster.api.create("Pod", pod("first"), dry_run=True)
    assert used(cluster) == {"pods": "0"}
    cluster.api.create("Pod", pod("first"))
    with pytest.raises(Forbidden):
        cluster.api.create("Pod", pod("second"), dry_run=True)
    await cluster.stop()


async def test_a_pod_that_ends_or_is_deleted_gives_back_what_it_had(tmp_path: Path) -> None:
    cluster = await limited(tmp_path, {"pods": "2", "requests.cpu": "1"})
    spec = {"restartPolicy": "Never"}
    cluster.runtime.programs["end"] = lambda process: (
        cluster.clock.call_later(1, lambda: process.end(0)) and None
    )
    requests = {"requests": {"cpu": "300m"}}
    cluster.api.create("Pod", pod("short", spec=spec, command=["end"], resources=requests))
    cluster.api.create("Pod", pod("long", resources=requests))
    assert used(cluster) == {"pods": "2", "requests.cpu": "600m"}
    await cluster.advance(5)
    assert used(cluster) == {"pods": "1", "requests.cpu": "300m"}
    cluster.api.delete("Pod", "long", "default")
    await cluster.advance(40)
    assert used(cluster) == {"pods": "0", "requests.cpu": "0"}
    await cluster.stop()


async def test_a_replicaset_is_refused_and_fills_up_when_there_is_room(tmp_path: Path) -> None:
    cluster = await limited(tmp_path, {"pods": "2"})
    cluster.api.create("Deployment", deployment(replicas=3))
    await cluster.advance(5)
    assert len(cluster.pods()) == 2
    assert any(
        "exceeded quota: q" in message for _, message in cluster.events() if "Error creating" in message
    )
    quota = cluster.api.get("ResourceQuota", "q", "default")
    quota["spec"]["hard"]["pods"] = "3"
    cluster.api.update("ResourceQuota", quota)
    await cluster.advance(30)
    assert len(cluster.pods()) == 3
    await cluster.stop()


@pytest.mark.parametrize(
    ("spec", "counted"),
    [
        ({"type": "ClusterIP"}, {"services": "1", "services.nodeports": "0", "services.loadbalancers": "0"}),
        ({"type": "NodePort"}, {"services": "1", "services.nodeports": "1", "services.loadbalancers": "0"}),
        (
            {"type": "LoadBalancer"},
            {"services": "1", "services.nodeports": "1", "services.loadbalancers": "1"},
        ),
    ],
)
async def test_services_are_counted_by_type(spec: Manifest, counted: Manifest, tmp_path: Path) -> None:
    cluster = await limited(tmp_path, dict.fromkeys(counted, "5"))
    metadata = {"name": "web", "namespace": "default"}
    before = used(cluster)["services"]
    cluster.api.create("Service", {"metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}})
    after = used(cluster)
    assert int(after.pop("services")) - int(before) == 1
    assert after == {key: value for key, value in counted.items() if key != "services"}
    await cluster.settle()
    assert {key: used(cluster)[key] for key in after} == after  # and the controller counts the same
    await cluster.stop()


async def test_a_service_cannot_become_one_that_the_quota_has_no_room_for(tmp_path: Path) -> None:
    cluster = await limited(tmp_path, {"services.nodeports": "0"})
    spec = {"ports": [{"port": 80}]}
    cluster.api.create("Service", {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    with pytest.raises(ApiError) as refusal:
        cluster.api.patch("Service", "web", {"spec": {"type": "NodePort"}}, "merge", namespace="default")
    assert "exceeded quota: q, requested: services.nodeports=1" in refusal.value.message
    await cluster.stop()


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [(["BestEffort"], "plain"), (["NotBestEffort"], "asking"), (["Terminating"], "dated")],
)
async def test_a_quota_with_scopes_is_about_some_pods(
    scopes: list[str], refused: str, tmp_path: Path
) -> None:
    cluster = await limited(tmp_path, {"pods": "0"}, scopes=scopes)
    pods = {
        "plain": pod("plain"),
        "asking": asking("asking", cpu="1m"),
        "dated": pod("dated", spec={"activeDeadlineSeconds": 60}, resources={"requests": {"cpu": "1m"}}),
    }
    judged = {"plain", "asking", "dated"} if scopes == ["Terminating"] else {"plain", "asking"}
    for name in judged:
        if name == refused:
            with pytest.raises(Forbidden):
                cluster.api.create("Pod", pods[name])
        else:
            cluster.api.create("Pod", pods[name])
    await cluster.stop()


async def test_custom_objects_are_counted_and_are_not_taken_for_their_namesakes(tmp_path: Path) -> None:
    cluster = await limited(tmp_path, {"count/jobs.example.com": "1", "count/jobs.batch": "0"})
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "jobs", "kind": "Job"}
    cluster.api.create(
        "CustomResourceDefinition",
        {
            "metadata": {"name": "jobs.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
        },
    )
    await cluster.settle()
    obj = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"template": {"spec": "anything"}}}
    made = cluster.api.create("Job.example.com", obj)
    assert made["spec"] == obj["spec"]
    assert used(cluster)["count/jobs.example.com"] == "1"
    with pytest.raises(Forbidden):
        cluster.api.create("Job.example.com", obj | {"metadata": {"name": "b", "namespace": "default"}})
    cluster.api.delete("Job.example.com", "a", "default")
    await cluster.settle()
    assert used(cluster) == {"count/jobs.batch": "0", "count/jobs.example.com": "0"}
    await cluster.stop()
