"""The official Python client 37, unmodified, against the API server."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import exceptions

from tests.cluster.conftest import LiveServer


def configmap(name: str, **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def test_objects_come_back_typed(api_client: Any) -> None:
    v1 = client.CoreV1Api(api_client)
    made = v1.create_namespaced_config_map("default", configmap("typed", a="1"))
    assert made.metadata.creation_timestamp.tzinfo is not None
    assert v1.read_namespaced_config_map("typed", "default").data == {"a": "1"}
    names = [item.metadata.name for item in v1.list_namespaced_config_map("default").items]
    assert names == sorted(names)
    assert "typed" in names


def test_refusals_raise_the_clients_exceptions(api_client: Any) -> None:
    v1 = client.CoreV1Api(api_client)
    with pytest.raises(exceptions.ApiException) as missing:
        v1.read_namespaced_pod("ghost", "default")
    assert missing.value.status == 404
    assert 'pods \\"ghost\\" not found' in missing.value.body
    v1.create_namespaced_config_map("default", configmap("twice"))
    with pytest.raises(exceptions.ApiException) as twice:
        v1.create_namespaced_config_map("default", configmap("twice"))
    assert twice.value.status == 409


def test_stale_update_conflicts(api_client: Any) -> None:
    v1 = client.CoreV1Api(api_client)
    stale = v1.create_namespaced_config_map("default", configmap("stale"))
    v1.patch_namespaced_config_map("stale", "default", {"data": {"a": "1"}})
    stale.data = {"b": "2"}
    with pytest.raises(exceptions.ApiException) as conflict:
        v1.replace_namespaced_config_map("stale", "default", stale)
    assert conflict.value.status == 409


def test_deployment_scale_and_status(api_client: Any) -> None:
    apps = client.AppsV1Api(api_client)
    labels = {"app": "py"}
    container = client.V1Container(name="main", image="app:1")
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    body = client.V1Deployment(metadata=client.V1ObjectMeta(name="py"), spec=spec)
    apps.create_namespaced_deployment("default", body)
    scale = apps.read_namespaced_deployment_scale("py", "default")
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=py")
    apps.patch_namespaced_deployment_scale("py", "default", {"spec": {"replicas": 3}})
    assert apps.read_namespaced_deployment("py", "default").spec.replicas == 3
    apps.patch_namespaced_deployment_status("py", "default", {"status": {"replicas": 3}})
    found = apps.read_namespaced_deployment("py", "default")
    assert found.status.replicas == 3
    assert found.metadata.generation == 2  # a status is no change of the specification


def test_watch_delivers_every_change_once(api_client: Any, server: LiveServer) -> None:
    v1 = client.CoreV1Api(api_client)
    start = v1.list_namespaced_config_map("default").metadata.resource_version
    seen: list[tuple[str, str]] = []
    stream = watch.Watch()

    def follow() -> None:
        events = stream.stream(
            v1.list_namespaced_config_map,
            "default",
            label_selector="watched=yes",
            resource_version=start,
            timeout_seconds=20,
        )
        for event in events:
            seen.append((event["type"], event["object"].metadata.name))
            if event["object"].metadata.name == "last" and event["type"] == "ADDED":
                stream.stop()

    follower = threading.Thread(target=follow)
    follower.start()
    for number in range(20):
        obj = configmap(f"w{number}")
        obj.metadata.labels = {"watched": "yes"}
        v1.create_namespaced_config_map("default", obj)
    v1.delete_namespaced_config_map("w3", "default")
    last = configmap("last")
    last.metadata.labels = {"watched": "yes"}
    v1.create_namespaced_config_map("default", last)
    follower.join(20)
    assert not follower.is_alive()
    expected = [("ADDED", f"w{number}") for number in range(20)]
    assert seen == [*expected, ("DELETED", "w3"), ("ADDED", "last")]


def test_delete_collection_honours_the_selector(api_client: Any) -> None:
    v1 = client.CoreV1Api(api_client)
    for name, group in (("d1", "go"), ("d2", "go"), ("d3", "stay")):
        obj = configmap(name)
        obj.metadata.labels = {"group": group}
        v1.create_namespaced_config_map("default", obj)
    v1.delete_collection_namespaced_config_map("default", label_selector="group=go")
    left = v1.list_namespaced_config_map("default", label_selector="group").items
    assert [item.metadata.name for item in left] == ["d3"]


def test_eviction_deletes_the_pod_and_a_budget_forbids_it(api_client: Any, server: LiveServer) -> None:
    v1 = client.CoreV1Api(api_client)
    api = server.plane.api
    for name in ("evicted", "guarded"):
        metadata = {"name": name, "labels": {"name": name}}
        pod = {"metadata": metadata, "spec": {"containers": [{"name": "m", "image": "x"}]}}
        stored = server.do(api.create, "Pod", pod, namespace="default")
        stored["status"]["phase"] = "Running"
        server.do(api.update_status, "Pod", stored)
    budget = {
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"name": "guarded"}}},
    }
    server.do(api.create, "PodDisruptionBudget", budget, namespace="default")

    def evict(name: str) -> None:
        body = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace="default"))
        v1.create_namespaced_pod_eviction(name, "default", body)

    evict("evicted")
    assert api.find("Pod", "evicted", "default") is None
    with pytest.raises(exceptions.ApiException) as refused:
        evict("guarded")
    assert refused.value.status == 429
    assert "would violate the pod's disruption budget" in refused.value.body
