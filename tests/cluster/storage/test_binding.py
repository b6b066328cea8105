"""Claims find volumes: which one, when, and what they are told when there is none."""

from __future__ import annotations

import pytest

from dockyard.cluster.errors import Forbidden, Invalid
from tests.cluster.harness import FakeCluster
from tests.cluster.storage.manifests import Manifest, claim, storage_class, user, volume


async def create(cluster: FakeCluster, kind: str, manifest: Manifest) -> None:
    cluster.api.create(kind, manifest)
    await cluster.settle()


def phase(cluster: FakeCluster, name: str = "data") -> str:
    return str(cluster.api.get("PersistentVolumeClaim", name, "default")["status"]["phase"])


def bound_to(cluster: FakeCluster, name: str = "data") -> str:
    return str(cluster.api.get("PersistentVolumeClaim", name, "default")["spec"].get("volumeName", ""))


async def test_the_smallest_volume_that_is_big_enough_is_taken(cluster: FakeCluster) -> None:
    for name, size in (("huge", "10Gi"), ("right", "1Gi"), ("small", "32Mi")):
        await create(cluster, "PersistentVolume", volume(name, size))
    await create(cluster, "PersistentVolumeClaim", claim(size="64Mi", storageClassName=""))
    assert (phase(cluster), bound_to(cluster)) == ("Bound", "right")


async def test_a_selector_and_the_access_modes_narrow_the_choice(cluster: FakeCluster) -> None:
    await create(cluster, "PersistentVolume", volume("plain"))
    await create(cluster, "PersistentVolume", volume("gold", "2Gi", labels={"tier": "gold"}))
    selector = {"matchLabels": {"tier": "gold"}}
    await create(cluster, "PersistentVolumeClaim", claim(storageClassName="", selector=selector))
    many = claim("many", storageClassName="", accessModes=["ReadWriteMany"])
    await create(cluster, "PersistentVolumeClaim", many)
    assert (bound_to(cluster), phase(cluster, "many")) == ("gold", "Pending")


async def test_a_volume_that_is_reserved_for_the_claim_wins_and_nobody_else_gets_it(
    cluster: FakeCluster,
) -> None:
    reserved = volume("reserved", "5Gi", claimRef={"namespace": "default", "name": "data"})
    await create(cluster, "PersistentVolume", reserved)
    await create(cluster, "PersistentVolumeClaim", claim("other", storageClassName=""))
    assert phase(cluster, "other") == "Pending"
    await create(cluster, "PersistentVolumeClaim", claim(storageClassName=""))
    assert bound_to(cluster) == "reserved"


async def test_a_claim_that_names_a_volume_gets_that_one_or_waits_for_it(cluster: FakeCluster) -> None:
    await create(cluster, "PersistentVolume", volume("first", "1Gi"))
    named = claim(storageClassName="", volumeName="second")
    await create(cluster, "PersistentVolumeClaim", named)
    assert phase(cluster) == "Pending"
    await create(cluster, "PersistentVolume", volume("second", "32Mi"))
    await cluster.advance(16)
    told = [message for reason, message in cluster.events("data") if reason == "VolumeMismatch"]
    assert told == ['Cannot bind to requested volume "second": requested PV is too small']
    cluster.api.delete("PersistentVolume", "second")
    await cluster.settle()
    await create(cluster, "PersistentVolume", volume("second", "64Mi"))
    await cluster.advance(16)
    assert (phase(cluster), bound_to(cluster)) == ("Bound", "second")


async def test_a_claim_without_a_class_gets_the_default_one_and_one_with_an_empty_name_keeps_it(
    cluster: FakeCluster,
) -> None:
    await create(cluster, "PersistentVolumeClaim", claim())
    await create(cluster, "PersistentVolumeClaim", claim("none", storageClassName=""))
    found = {c["metadata"]["name"]: c["spec"] for c in cluster.api.list("PersistentVolumeClaim")}
    assert found["data"]["storageClassName"] == "standard"
    assert found["none"]["storageClassName"] == ""
    assert (phase(cluster), phase(cluster, "none")) == ("Bound", "Pending")


async def test_a_bound_claim_whose_volume_is_gone_is_lost(cluster: FakeCluster) -> None:
    await create(cluster, "PersistentVolumeClaim", claim())
    found = cluster.api.get("PersistentVolume", bound_to(cluster))
    found["metadata"]["finalizers"] = []
    cluster.api.update("PersistentVolume", found)
    cluster.api.delete("PersistentVolume", found["metadata"]["name"])
    await cluster.settle()
    assert phase(cluster) == "Lost"
    told = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert ("ClaimLost", told) in cluster.events("data")
    await create(cluster, "Pod", user("late"))
    (condition,) = cluster.pod("late")["status"]["conditions"]
    why = f'"data" bound to non-existent persistentvolume "{found["metadata"]["name"]}"'
    assert f"persistentvolumeclaim {why}" in condition["message"]


async def test_deleting_a_bound_volume_waits_for_its_claim(cluster: FakeCluster) -> None:
    await create(cluster, "PersistentVolume", volume("kept"))
    await create(cluster, "PersistentVolumeClaim", claim(storageClassName=""))
    cluster.api.delete("PersistentVolume", "kept")
    await cluster.settle()
    assert cluster.api.find("PersistentVolume", "kept") is not None
    cluster.api.delete("PersistentVolumeClaim", "data", "default")
    await cluster.settle()
    assert cluster.api.find("PersistentVolume", "kept") is None


async def test_a_claim_grows_only_where_its_class_allows_it(cluster: FakeCluster) -> None:
    await create(cluster, "PersistentVolumeClaim", claim())
    bigger = {"spec": {"resources": {"requests": {"storage": "128Mi"}}}}
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        cluster.api.patch("PersistentVolumeClaim", "data", bigger, "merge", namespace="default")
    cluster.api.patch("StorageClass", "standard", {"allowVolumeExpansion": True}, "merge")
    cluster.api.patch("PersistentVolumeClaim", "data", bigger, "merge", namespace="default")


async def test_a_waiting_claim_is_bound_on_a_node_that_reaches_its_volume(cluster: FakeCluster) -> None:
    waits = storage_class("local", provisioner="kubernetes.io/no-provisioner")
    await create(cluster, "StorageClass", waits)
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["two"]}]}
    affinity = {"required": {"nodeSelectorTerms": [term]}}
    await create(
        cluster,
        "PersistentVolume",
        volume("there", storageClassName="local", local={"path": "/tmp"}, nodeAffinity=affinity),
    )
    await create(cluster, "PersistentVolumeClaim", claim(storageClassName="local"))
    assert phase(cluster) == "Pending"
    await create(cluster, "Pod", user("first"))
    await cluster.advance(2)
    assert (bound_to(cluster), cluster.pod("first")["spec"]["nodeName"]) == ("there", "two")
    elsewhere = user("second")
    elsewhere["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "one"}
    await create(cluster, "Pod", elsewhere)
    (condition,) = cluster.pod("second")["status"]["conditions"]
    assert "1 node(s) had volume node affinity conflict" in condition["message"]


async def test_a_waiting_claim_without_any_volume_keeps_its_pod_pending(cluster: FakeCluster) -> None:
    await create(cluster, "StorageClass", storage_class("local", provisioner="kubernetes.io/no-provisioner"))
    await create(cluster, "PersistentVolumeClaim", claim(storageClassName="local"))
    await create(cluster, "Pod", user("first"))
    (condition,) = cluster.pod("first")["status"]["conditions"]
    assert "2 node(s) didn't find available persistent volumes to bind" in condition["message"]
    await create(cluster, "PersistentVolume", volume("late", storageClassName="local"))
    await cluster.advance(2)
    assert cluster.pod("first")["status"]["phase"] == "Running"


async def test_where_a_volume_is_stays(cluster: FakeCluster) -> None:
    await create(cluster, "PersistentVolume", volume("fixed"))
    patch = {"spec": {"hostPath": {"path": "/elsewhere"}}}
    with pytest.raises(Invalid, match="persistentvolumesource is immutable after creation"):
        cluster.api.patch("PersistentVolume", "fixed", patch, "merge")
