"""Files with several objects, field validation, and the commands that look into Pods, by kubectl itself."""

from __future__ import annotations

import json
import re

import pytest

from tests.cluster.conftest import Kubectl, LiveServer

LIST = """
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: listed}
  data: {a: "1"}
- apiVersion: v1
  kind: Service
  metadata: {name: listed}
  spec: {selector: {app: x}, ports: [{port: 80, targetPort: http}]}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: listed}
  spec:
    replicas: 1
    selector: {matchLabels: {app: x}}
    template:
      metadata: {labels: {app: x}}
      spec:
        containers: [{name: main, image: "app:1", resources: {requests: {cpu: "1", memory: 8Mi}}}]
"""


SPREAD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: x}}
spec:
  containers: [{name: main, image: "app:1"}]
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: x}}}
  affinity:
    nodeAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 1, preference: {matchExpressions: [{key: disk, operator: In, values: [ssd]}]}}
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone, labelSelector: {matchLabels: {app: other}}}
"""


@pytest.fixture
def k(server: LiveServer, kubectl: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl in a namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    server.do(server.plane.api.create, "Namespace", {"metadata": {"name": name}})
    return Kubectl(kubectl.kubeconfig, kubectl.cache, name)


def test_list_is_applied_and_deleted_as_its_items(k: Kubectl) -> None:
    assert k("apply", "-f", "-", stdin=LIST).splitlines() == [
        "configmap/listed created",
        "service/listed created",
        "deployment.apps/listed created",
    ]
    changed = LIST.replace('a: "1"', 'a: "2"')
    assert k("apply", "-f", "-", stdin=changed).splitlines() == [
        "configmap/listed configured",
        "service/listed unchanged",
        "deployment.apps/listed unchanged",
    ]
    assert json.loads(k("get", "cm", "listed", "-o", "json"))["data"] == {"a": "2"}
    k("delete", "-f", "-", "--wait=false", stdin=LIST)
    assert k("get", "cm,svc,deploy", "-o", "name") == "configmap/kube-root-ca.crt\n"


def test_what_get_prints_can_be_applied_again(k: Kubectl) -> None:
    for name in ("one", "two"):
        k("create", "configmap", name, "--from-literal=a=1")
    printed = k("get", "cm", "one", "two", "-o", "yaml")
    k("delete", "cm", "one", "two")
    assert k("apply", "-f", "-", stdin=printed).splitlines() == [
        "configmap/one created",
        "configmap/two created",
    ]


def test_mistakes_inside_a_list_are_found(k: Kubectl) -> None:
    done = k.run("apply", "-f", "-", stdin=LIST.replace("replicas: 1", "replica: 1"))
    assert done.returncode == 1
    assert 'unknown field "replica" in io.k8s.api.apps.v1.DeploymentSpec' in done.stderr
    wrong = k.run("apply", "-f", "-", stdin=LIST.replace("port: 80", "port: eighty"))
    assert 'invalid type for io.k8s.api.core.v1.ServicePort.port: got "string", expected "integer"' in (
        wrong.stderr
    )


def test_key_that_is_said_twice_is_refused_or_warned_of(k: Kubectl) -> None:
    twice = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}'
    strict = k.run(
        "create",
        "--raw",
        f"/api/v1/namespaces/{k.namespace}/configmaps?fieldValidation=Strict",
        "-f",
        "-",
        stdin=twice,
    )
    assert 'strict decoding error: duplicate field "data.a"' in strict.stderr
    path = f"/api/v1/namespaces/{k.namespace}/configmaps"
    warned = k.run("create", "--raw", path, "-f", "-", stdin=twice)
    assert warned.returncode == 0, warned.stderr
    assert 'Warning: duplicate field "data.a"' in warned.stderr
    assert json.loads(k("get", "cm", "x", "-o", "json"))["data"] == {"a": "2"}


def test_debug_adds_a_container_to_a_pod(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=SPREAD)
    k("debug", "web", "--image=busybox:1", "-c", "look", "--attach=false", "--", "ls")
    pod = json.loads(k("get", "pod", "web", "-o", "json"))
    (added,) = pod["spec"]["ephemeralContainers"]
    assert (added["name"], added["image"], added["command"]) == ("look", "busybox:1", ["ls"])
    assert "Ephemeral Containers:" in k("describe", "pod", "web")
    k("debug", "web", "--image=busybox:1", "--copy-to=twin", "--attach=false", "-c", "look")
    names = k("get", "pod", "twin", "-o", "jsonpath={.spec.containers[*].name}")
    assert names == "main look"
    twin = json.loads(k("get", "pod", "twin", "-o", "json"))["spec"]
    for field in ("affinity", "topologySpreadConstraints"):  # kubectl sends copies as protobuf
        assert twin[field] == pod["spec"][field]
