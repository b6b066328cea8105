"""StatefulSets beyond what was recorded: ordinals, retention, adoption, and the right end after any order."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster


def statefulset(name: str = "db", replicas: int = 2, **spec: Any) -> Manifest:
    """A small StatefulSet with one claim a Pod; `container` overrides fields of its container."""
    container = {"name": "app", "image": "app:v1", "command": ["serve"]} | spec.pop("container", {})
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
            "volumeClaimTemplates": [claim],
        }
        | spec,
    }


def names(cluster: FakeCluster, kind: str = "Pod") -> list[str]:
    return [obj["metadata"]["name"] for obj in cluster.api.list(kind, "default")]


def change(cluster: FakeCluster, **spec: Any) -> None:
    cluster.api.patch("StatefulSet", "db", {"spec": spec}, "merge", namespace="default")


def new_template(cluster: FakeCluster, value: str) -> None:
    found = cluster.api.get("StatefulSet", "db", "default")
    found["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "V", "value": value}]
    cluster.api.update("StatefulSet", found)


def status(cluster: FakeCluster) -> Manifest:
    found: Manifest = cluster.api.get("StatefulSet", "db", "default")["status"]
    return found


async def test_ordinals_begin_where_the_spec_says(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("StatefulSet", statefulset(ordinals={"start": 5}))
    await three_nodes.advance(5)
    assert names(three_nodes) == ["db-5", "db-6"]
    change(three_nodes, ordinals={"start": 6})
    await three_nodes.advance(40)
    assert names(three_nodes) == ["db-6", "db-7"]


async def test_a_pod_has_to_be_ready_for_a_while_before_the_next_one_starts(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("StatefulSet", statefulset(minReadySeconds=10))
    await three_nodes.advance(5)
    assert (names(three_nodes), status(three_nodes)["readyReplicas"]) == (["db-0"], 1)
    assert status(three_nodes)["availableReplicas"] == 0
    await three_nodes.advance(20)
    assert (names(three_nodes), status(three_nodes)["availableReplicas"]) == (["db-0", "db-1"], 2)


async def test_claims_follow_the_retention_policy(three_nodes: FakeCluster) -> None:
    policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
    made = statefulset(replicas=3, persistentVolumeClaimRetentionPolicy=policy)
    three_nodes.api.create("StatefulSet", made)
    await three_nodes.advance(10)
    change(three_nodes, replicas=2)
    await three_nodes.advance(60)
    assert names(three_nodes, "PersistentVolumeClaim") == ["data-db-0", "data-db-1"]
    three_nodes.api.delete("StatefulSet", "db", "default")
    await three_nodes.advance(60)
    assert names(three_nodes) == []
    assert names(three_nodes, "PersistentVolumeClaim") == ["data-db-0", "data-db-1"]


async def test_orphaned_pods_and_revisions_are_adopted_by_the_next_of_the_name(
    three_nodes: FakeCluster,
) -> None:
    three_nodes.api.create("StatefulSet", statefulset())
    await three_nodes.advance(5)
    before = {pod["metadata"]["uid"] for pod in three_nodes.pods()}
    three_nodes.api.delete("StatefulSet", "db", "default", propagation_policy="Orphan")
    await three_nodes.advance(5)
    assert {pod["metadata"]["uid"] for pod in three_nodes.pods()} == before
    three_nodes.api.create("StatefulSet", statefulset())
    await three_nodes.advance(5)
    assert {pod["metadata"]["uid"] for pod in three_nodes.pods()} == before
    assert len(names(three_nodes, "ControllerRevision")) == 1
    owners = {o["uid"] for p in three_nodes.pods() for o in p["metadata"]["ownerReferences"]}
    assert owners == {three_nodes.api.get("StatefulSet", "db", "default")["metadata"]["uid"]}


async def test_a_foreign_pod_with_the_labels_is_left_alone(three_nodes: FakeCluster) -> None:
    stranger = {
        "metadata": {"name": "stranger", "namespace": "default", "labels": {"app": "db"}},
        "spec": {"containers": [{"name": "app", "image": "app:v1", "command": ["serve"]}]},
    }
    three_nodes.api.create("Pod", stranger)
    three_nodes.api.create("StatefulSet", statefulset())
    await three_nodes.advance(5)
    assert names(three_nodes) == ["db-0", "db-1", "stranger"]
    assert "ownerReferences" not in three_nodes.pod("stranger")["metadata"]


async def test_a_pod_that_has_failed_for_good_is_made_anew(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("StatefulSet", statefulset())
    await three_nodes.advance(5)
    before = three_nodes.pod("db-0")
    three_nodes.api.update_status("Pod", before | {"status": before["status"] | {"phase": "Failed"}})
    await three_nodes.advance(40)
    after = three_nodes.pod("db-0")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["status"]["phase"] == "Running"
    message = "StatefulSet default/db is recreating failed Pod db-0"
    assert ("RecreatingFailedPod", message) in three_nodes.events("db")


async def test_old_revisions_go_beyond_the_limit(three_nodes: FakeCluster) -> None:
    three_nodes.api.create("StatefulSet", statefulset(replicas=1, revisionHistoryLimit=2))
    for value in ("1", "2", "3", "4"):
        await three_nodes.advance(40)
        new_template(three_nodes, value)
    await three_nodes.advance(40)
    revisions = three_nodes.api.list("ControllerRevision", "default")
    assert sorted(revision["revision"] for revision in revisions) == [3, 4, 5]
    assert status(three_nodes)["currentRevision"] == status(three_nodes)["updateRevision"]


async def test_a_template_that_is_refused_is_reported(three_nodes: FakeCluster) -> None:
    made = statefulset()
    made["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"
    three_nodes.api.create("StatefulSet", made)
    await three_nodes.settle()
    reasons = dict(three_nodes.events("db"))
    refused = 'Create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden'
    assert reasons["FailedCreate"].startswith(refused)
    three_nodes.api.create("ServiceAccount", {"metadata": {"name": "nobody", "namespace": "default"}})
    await three_nodes.advance(10)
    assert names(three_nodes) == ["db-0", "db-1"]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("scale"), st.integers(0, 4)),
        st.tuples(st.just("template"), st.integers(0, 2)),
        st.tuples(st.just("delete"), st.integers(0, 3)),
        st.tuples(st.just("kill"), st.integers(0, 3)),
        st.tuples(st.just("fail"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.integers(0, 5)),
    ),
    min_size=1,
    max_size=8,
)


@given(steps=_STEPS, policy=st.sampled_from(["OrderedReady", "Parallel"]))
@settings(max_examples=12, deadline=None)
async def test_any_order_of_changes_ends_in_what_was_asked_for(
    steps: list[tuple[str, int]], policy: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        cluster = await FakeCluster(Path(directory)).start()
        cluster.api.create("StatefulSet", statefulset(podManagementPolicy=policy))
        replicas, template = 2, "0"
        for step, number in steps:
            pod = cluster.api.find("Pod", f"db-{number}", "default")
            if step == "scale":
                replicas = number
                change(cluster, replicas=number)
            elif step == "template":
                template = str(number)
                new_template(cluster, template)
            elif step == "wait":
                await cluster.advance(number)
            elif pod is not None and step in ("delete", "kill"):
                grace = 0 if step == "kill" else None
                cluster.api.delete("Pod", f"db-{number}", "default", grace_period_seconds=grace)
            elif pod is not None:
                cluster.api.update_status("Pod", pod | {"status": pod["status"] | {"phase": "Failed"}})
        await cluster.advance(400)
        assert names(cluster) == [f"db-{number}" for number in range(replicas)]
        found = status(cluster)
        assert found.get("readyReplicas", 0) == found["replicas"] == replicas
        assert found["currentRevision"] == found["updateRevision"]
        if any(step == "template" for step, _ in steps):
            values = {json.dumps(p["spec"]["containers"][0].get("env")) for p in cluster.pods()}
            assert values <= {json.dumps([{"name": "V", "value": template}])}
        await cluster.stop()
