"""autoscaling/v1, which is served beside autoscaling/v2: one object, two ways to see and to change it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl

FIRST = """
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: NAME}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 3
  targetCPUUtilizationPercentage: 50
"""
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}},
}
V1 = "horizontalpodautoscalers.v1.autoscaling"


@pytest.fixture
def name(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    """An autoscaler that was applied in the first version."""
    found = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    kubectl("apply", "-f", "-", stdin=FIRST.replace("NAME", found))
    return found


def read(kubectl: Kubectl, *arguments: str) -> Any:
    return json.loads(kubectl("get", *arguments, "-o", "json"))


def cpu(use: int) -> dict[str, Any]:
    return {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": use}},
    }


def test_both_versions_show_the_same_object(kubectl: Kubectl, name: str) -> None:
    first, second = read(kubectl, V1, name), read(kubectl, "hpa", name)
    assert (first["apiVersion"], second["apiVersion"]) == ("autoscaling/v1", "autoscaling/v2")
    assert first["metadata"]["uid"] == second["metadata"]["uid"]
    assert first["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "metrics" not in first["spec"]
    assert second["spec"]["metrics"] == [cpu(50)]
    assert "targetCPUUtilizationPercentage" not in second["spec"]
    assert kubectl("get", V1, name) == kubectl("get", "hpa", name)  # the same columns


def test_apply_in_the_first_version_changes_what_changed(kubectl: Kubectl, name: str) -> None:
    text = FIRST.replace("NAME", name)
    applied = f"horizontalpodautoscaler.autoscaling/{name}"
    assert kubectl("apply", "-f", "-", stdin=text) == f"{applied} unchanged\n"
    changed = text.replace("Percentage: 50", "Percentage: 60")
    assert kubectl("apply", "-f", "-", stdin=changed) == f"{applied} configured\n"
    assert read(kubectl, "hpa", name)["spec"]["metrics"] == [cpu(60)]
    forced = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    assert forced == f"{applied} serverside-applied\n"
    assert read(kubectl, "hpa", name)["spec"]["metrics"] == [cpu(50)]


@pytest.mark.parametrize("patch_type", ["strategic", "merge"])
def test_patches_are_written_in_the_version_of_the_path(kubectl: Kubectl, name: str, patch_type: str) -> None:
    patch = '{"spec":{"targetCPUUtilizationPercentage":40,"minReplicas":2}}'
    kubectl("patch", V1, name, f"--type={patch_type}", "-p", patch)
    spec = read(kubectl, "hpa", name)["spec"]
    assert (spec["metrics"], spec["minReplicas"]) == ([cpu(40)], 2)


def test_what_the_first_version_has_no_field_for_survives_it(kubectl: Kubectl, name: str) -> None:
    behaviour = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    patch = {"spec": {"metrics": [cpu(50), MEMORY], "behavior": behaviour}}
    kubectl("patch", "hpa", name, "--type=merge", "-p", json.dumps(patch))
    kept = read(kubectl, "hpa", name)["spec"]
    first = read(kubectl, V1, name)
    shown = json.loads(first["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"])
    assert shown == [MEMORY]
    first["spec"]["maxReplicas"] = 5
    kubectl("replace", "-f", "-", stdin=json.dumps(first))
    found = read(kubectl, "hpa", name)
    assert found["spec"] == {**kept, "maxReplicas": 5}
    assert not any("autoscaling.alpha" in key for key in found["metadata"]["annotations"])


def test_lists_and_watches_are_in_the_version_of_the_path(api_client: Any, name: str) -> None:
    from kubernetes import client, watch

    api = client.AutoscalingV1Api(api_client)
    listed = api.list_namespaced_horizontal_pod_autoscaler("default")
    (found,) = (item for item in listed.items if item.metadata.name == name)
    assert found.spec.target_cpu_utilization_percentage == 50
    changed = {"spec": {"targetCPUUtilizationPercentage": 30}}
    api.patch_namespaced_horizontal_pod_autoscaler(name, "default", changed)
    events = watch.Watch().stream(
        api.list_namespaced_horizontal_pod_autoscaler,
        "default",
        field_selector=f"metadata.name={name}",
        resource_version=listed.metadata.resource_version,
        timeout_seconds=20,
    )
    assert next(events)["object"].spec.target_cpu_utilization_percentage == 30
    events.close()


def test_collection_is_deleted_in_the_first_version(api_client: Any, name: str) -> None:
    from kubernetes import client

    api = client.AutoscalingV1Api(api_client)
    api.delete_collection_namespaced_horizontal_pod_autoscaler("default")
    assert api.list_namespaced_horizontal_pod_autoscaler("default").items == []


def test_other_version_than_the_path_is_refused(kubectl: Kubectl) -> None:
    done = kubectl.run(
        *("create", "--raw", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", "-f", "-"),
        stdin=json.dumps(
            {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}
        ),
    )
    assert (
        "the API version in the data (autoscaling/v1) does not match the expected API version "
        "(autoscaling/v2)"
    ) in done.stderr


def test_fields_are_explained_in_both_versions(kubectl: Kubectl) -> None:
    first = kubectl("explain", "hpa.spec", "--api-version=autoscaling/v1")
    assert "targetCPUUtilizationPercentage" in first
    assert "metrics" in kubectl("explain", "hpa.spec")
