"""Volumes that are made for claims: directories that outlive Pods, until nobody claims them."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.harness import FakeCluster
from tests.cluster.storage.manifests import claim, storage_class, user


def directories(root: Path) -> list[Path]:
    provisioned = root / "hostpath" / "provisioned"
    return sorted(provisioned.iterdir()) if provisioned.is_dir() else []


def mounted(cluster: FakeCluster, pod: str) -> Path:
    """What the Pod's newest container sees at /data."""
    spec = [spec for spec in cluster.runtime.started if spec.hostname == pod][-1]
    (source,) = (mount.source for mount in spec.mounts if mount.target == "/data")
    assert source is not None
    return source


async def test_data_stays_while_pods_come_and_go_and_ends_with_its_claim(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    cluster.api.create("PersistentVolumeClaim", claim())
    cluster.api.create("Pod", user("first"))
    await cluster.advance(2)
    (mounted(cluster, "first") / "f").write_text("kept")
    cluster.api.delete("Pod", "first", "default", grace_period_seconds=0)
    cluster.api.create("Pod", user("second"))
    await cluster.advance(2)
    assert (mounted(cluster, "second") / "f").read_text() == "kept"
    cluster.api.delete("PersistentVolumeClaim", "data", "default")
    await cluster.settle()
    assert cluster.api.find("PersistentVolumeClaim", "data", "default") is not None, "it is in use"
    cluster.api.delete("Pod", "second", "default", grace_period_seconds=0)
    await cluster.advance(2)
    assert cluster.api.list("PersistentVolumeClaim") == cluster.api.list("PersistentVolume") == []
    await cluster.until(lambda: directories(tmp_path) == [])


async def test_a_claim_with_policy_retain_leaves_its_data(cluster: FakeCluster, tmp_path: Path) -> None:
    keeps = storage_class("keeps", reclaimPolicy="Retain", volumeBindingMode="Immediate")
    cluster.api.create("StorageClass", keeps)
    cluster.api.create("PersistentVolumeClaim", claim(storageClassName="keeps"))
    cluster.api.create("Pod", user("first"))
    await cluster.advance(2)
    (mounted(cluster, "first") / "f").write_text("kept")
    cluster.api.delete("Pod", "first", "default", grace_period_seconds=0)
    cluster.api.delete("PersistentVolumeClaim", "data", "default")
    await cluster.advance(2)
    (left,) = cluster.api.list("PersistentVolume")
    assert left["status"]["phase"] == "Released"
    assert [(path / "f").read_text() for path in directories(tmp_path)] == ["kept"]


async def test_a_class_that_waits_provisions_when_the_pod_is_scheduled(cluster: FakeCluster) -> None:
    cluster.api.create("StorageClass", storage_class("waits"))
    cluster.api.create("PersistentVolumeClaim", claim(storageClassName="waits"))
    await cluster.advance(20)
    waiting = ("WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    assert cluster.events("data") == [waiting]
    cluster.api.create("Pod", user("first"))
    await cluster.advance(2)
    found = cluster.api.get("PersistentVolumeClaim", "data", "default")
    node = cluster.pod("first")["spec"]["nodeName"]
    assert found["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == node
    assert (found["status"]["phase"], cluster.pod("first")["status"]["phase"]) == ("Bound", "Running")


async def test_a_provisioner_that_nobody_runs_is_named(cluster: FakeCluster) -> None:
    for name, provisioner in (("far", "example.com/nfs"), ("near", "kubernetes.io/aws-ebs")):
        made = storage_class(name, provisioner=provisioner, volumeBindingMode="Immediate")
        cluster.api.create("StorageClass", made)
        cluster.api.create("PersistentVolumeClaim", claim(name, storageClassName=name))
    await cluster.settle()
    (far,) = cluster.events("far")
    assert far[0] == "ExternalProvisioning"
    assert "external provisioner 'example.com/nfs'" in far[1]
    failed = ("ProvisioningFailed", "no volume plugin matched name: kubernetes.io/aws-ebs")
    assert cluster.events("near") == [failed]


async def test_pods_on_two_nodes_see_the_same_directory(cluster: FakeCluster) -> None:
    cluster.api.create("PersistentVolumeClaim", claim())
    for name in ("one", "two"):
        made = user(name)
        made["spec"]["nodeSelector"] = {"kubernetes.io/hostname": name}
        cluster.api.create("Pod", made)
    await cluster.advance(2)
    assert {p["spec"]["nodeName"] for p in cluster.pods()} == {"one", "two"}
    assert mounted(cluster, "one") == mounted(cluster, "two")


async def test_a_claim_that_is_mounted_read_only_is_so_in_the_container(cluster: FakeCluster) -> None:
    cluster.api.create("PersistentVolumeClaim", claim())
    cluster.api.create("Pod", user("reader", readOnly=True))
    await cluster.advance(2)
    (spec,) = cluster.runtime.started
    assert [mount.read_only for mount in spec.mounts if mount.target == "/data"] == [True]


async def test_an_ephemeral_volume_lives_with_its_pod(cluster: FakeCluster, tmp_path: Path) -> None:
    made = user("brief")
    template = {"spec": claim()["spec"]}
    made["spec"]["volumes"] = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
    cluster.api.create("Pod", made)
    await cluster.advance(2)
    (found,) = cluster.api.list("PersistentVolumeClaim")
    assert (found["metadata"]["name"], cluster.pod("brief")["status"]["phase"]) == ("brief-v", "Running")
    assert mounted(cluster, "brief").is_dir()
    cluster.api.delete("Pod", "brief", "default", grace_period_seconds=0)
    await cluster.advance(2)
    assert cluster.api.list("PersistentVolumeClaim") == []
    await cluster.until(lambda: directories(tmp_path) == [])


async def test_a_pod_put_on_a_node_by_name_waits_for_its_claim(cluster: FakeCluster) -> None:
    made = user("forced", "missing")
    made["spec"]["nodeName"] = "one"
    cluster.api.create("Pod", made)
    await cluster.settle()
    (told,) = {message for reason, message in cluster.events("forced") if reason == "FailedMount"}
    assert told.endswith(
        "error processing PVC default/missing: failed to fetch PVC from API server: persistentvolumeclaims "
        '"missing" not found'
    )
    cluster.api.create("PersistentVolumeClaim", claim("missing"))
    await cluster.advance(3)
    assert cluster.pod("forced")["status"]["phase"] == "Running"
