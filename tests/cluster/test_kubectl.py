"""kubectl 1.37, unmodified, against the API server alone: no controller and no node answers here."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.cluster.conftest import KUBECTL, Kubectl, LiveServer
from tests.deadline import eventually

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "app:1", ports: [{containerPort: 8000, name: http}]}
      - {name: side, image: "side:1"}
"""


@pytest.fixture
def k(server: LiveServer, kubectl: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl in a namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    server.do(server.plane.api.create, "Namespace", {"metadata": {"name": name}})
    return Kubectl(kubectl.kubeconfig, kubectl.cache, name)


def read(k: Kubectl, *arguments: str) -> Any:
    return json.loads(k("get", *arguments, "-o", "json"))


def test_apply_creates_then_changes_only_what_changed(k: Kubectl) -> None:
    assert k("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    assert k("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    changed = DEPLOYMENT.replace("app:1", "app:2").replace("replicas: 2", "replicas: 3")
    assert k("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\n"
    found = read(k, "deploy", "web")
    assert found["metadata"]["generation"] == 2
    assert found["spec"]["replicas"] == 3
    assert [c["image"] for c in found["spec"]["template"]["spec"]["containers"]] == ["app:2", "side:1"]


def test_apply_keeps_what_others_set_and_removes_what_the_file_dropped(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    k("scale", "deploy/web", "--replicas=5")
    k("set", "env", "deploy/web", "-c", "main", "A=1")
    without = re.sub(r", ports: \[.*?\]\}", "}", DEPLOYMENT).replace("  replicas: 2\n", "")
    k("apply", "-f", "-", stdin=without)
    found = read(k, "deploy", "web")
    main = found["spec"]["template"]["spec"]["containers"][0]
    assert found["spec"]["replicas"] == 1  # dropped from the file, so the default
    assert main["env"] == [{"name": "A", "value": "1"}]
    assert "ports" not in main


def test_dropped_container_goes_and_the_order_is_the_files(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    k(
        "apply",
        "-f",
        "-",
        stdin=DEPLOYMENT.replace(
            "      - {name: main", "      - {name: first, image: f}\n      - {name: main"
        ),
    )
    containers = read(k, "deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["first", "main", "side"]
    k("apply", "-f", "-", stdin=re.sub(r"      - \{name: side.*\n", "", DEPLOYMENT))
    containers = read(k, "deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["main"]


def test_refusals_reach_the_user_in_upstreams_words(k: Kubectl) -> None:
    broken = DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: {app: other}")
    done = k.run("apply", "-f", "-", stdin=broken)
    assert done.returncode == 1
    assert done.stderr == (
        'The Deployment "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}: '
        "`selector` does not match template `labels`\n"
    )
    typo = k.run("apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas", "replica"))
    assert 'strict decoding error: unknown field "spec.replica"' in typo.stderr
    missing = k.run("get", "pod", "ghost")
    assert missing.stderr == 'Error from server (NotFound): pods "ghost" not found\n'
    nowhere = k.run("create", "configmap", "x", "-n", "nowhere")
    assert 'namespaces "nowhere" not found' in nowhere.stderr


def test_selector_cannot_change(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    done = k.run("apply", "-f", "-", stdin=DEPLOYMENT.replace("app: web}}", "app: other}}"))
    assert done.stderr == (
        'The Deployment "web" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: '
        "field is immutable\n"
    )


def test_every_output_form(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    assert k("get", "deploy", "-o", "name") == "deployment.apps/web\n"
    plain = k("get", "deploy").splitlines()
    assert plain[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert plain[1].split()[:4] == ["web", "0/2", "0", "0"]
    wide = k("get", "deploy", "-o", "wide").splitlines()[1].split()
    assert wide[5:] == ["main,side", "app:1,side:1", "app=web"]
    assert k("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    assert k("get", "deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas").split() == [
        "N",
        "R",
        "web",
        "2",
    ]
    assert "kind: Deployment" in k("get", "deploy", "web", "-o", "yaml")
    assert k("get", "deploy", "web", "-o", "go-template={{.metadata.name}}") == "web"
    assert "app=web" in k("get", "deploy", "--show-labels")
    everywhere = k("get", "deploy", "-A").splitlines()
    assert everywhere[0].split()[0] == "NAMESPACE"
    several = k("get", "deploy,cm")
    assert "deployment.apps/web" in several
    assert "configmap/kube-root-ca.crt" in several


def test_selectors(k: Kubectl) -> None:
    for name, labels in (("a", "tier=front,v=1"), ("b", "tier=back,v=2"), ("c", "tier=back")):
        k("create", "configmap", name)
        k("label", "configmap", name, *labels.split(","))

    def names(*arguments: str) -> list[str]:
        return k("get", "cm", "-o", "name", *arguments).replace("configmap/", "").split()

    assert names("-l", "tier=back") == ["b", "c"]
    assert names("-l", "tier in (front,back),v") == ["a", "b"]
    assert names("-l", "tier,!v") == ["c"]
    assert names("-l", "tier!=back,tier") == ["a"]
    assert names("-l", "v>1") == ["b"]
    assert names("--field-selector", "metadata.name=a") == ["a"]
    assert "metadata.name!=a" not in names(
        "--field-selector", "metadata.name!=a,metadata.name!=b", "-l", "tier"
    )


def test_pages_are_one_consistent_list(k: Kubectl, server: LiveServer) -> None:
    for number in range(7):
        obj = {"metadata": {"name": f"page-{number}", "namespace": k.namespace}}
        server.do(server.plane.api.create, "ConfigMap", obj)
    found = k("get", "cm", "--chunk-size=3", "-o", "name").split()
    assert found == ["configmap/kube-root-ca.crt", *(f"configmap/page-{number}" for number in range(7))]


def test_create_commands_send_protobuf_and_it_is_understood(k: Kubectl) -> None:
    k("create", "deployment", "cli", "--image=app:1", "--replicas=2", "--port=80")
    k("create", "configmap", "conf", "--from-literal=a=1")
    k("create", "secret", "generic", "secret", "--from-literal=password=example")
    k("create", "job", "job", "--image=app:1", "--", "true")
    k("create", "cronjob", "cron", "--image=app:1", "--schedule=*/5 * * * *", "--", "true")
    k("create", "service", "clusterip", "svc", "--tcp=80:8080")
    k("create", "serviceaccount", "robot")
    k("create", "role", "reader", "--verb=get", "--resource=pods")
    k("create", "rolebinding", "reads", "--role=reader", "--serviceaccount=default:robot")
    k("create", "quota", "quota", "--hard=pods=3")
    k("create", "pdb", "pdb", "--selector=app=cli", "--min-available=1")
    k("create", "ingress", "ing", "--rule=a.example/x*=svc:80")
    k("autoscale", "deployment", "cli", "--max=3", "--cpu=50%")
    deployment = read(k, "deploy", "cli")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["template"]["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP"}
    ]
    assert read(k, "secret", "secret")["data"] == {"password": "ZXhhbXBsZQ=="}
    assert read(k, "cm", "conf")["data"] == {"a": "1"}
    assert read(k, "svc", "svc")["spec"]["ports"][0]["targetPort"] == 8080
    assert read(k, "hpa", "cli")["spec"]["maxReplicas"] == 3
    assert (
        read(k, "cj", "cron")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"]
        == "OnFailure"
    )


def test_run_expose_and_set_image(k: Kubectl) -> None:
    assert k("run", "lone", "--image=app:1", "--port=80", "--labels=app=lone") == "pod/lone created\n"
    assert k("expose", "pod", "lone", "--port=80") == "service/lone exposed\n"
    k("set", "image", "pod/lone", "lone=app:2")
    pod = read(k, "pod", "lone")
    assert pod["spec"]["containers"][0]["image"] == "app:2"
    assert pod["metadata"]["generation"] == 2
    assert read(k, "svc", "lone")["spec"]["selector"] == {"app": "lone"}


def test_patches_of_all_three_kinds(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    k(
        "patch",
        "deploy",
        "web",
        "-p",
        '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:2"}]}}}}',
    )
    k("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"labels":{"app":null,"x":"y"}}}')
    k("patch", "deploy", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":4}]')
    found = read(k, "deploy", "web")
    assert [c["image"] for c in found["spec"]["template"]["spec"]["containers"]] == ["app:1", "s:2"]
    assert found["metadata"]["labels"] == {"x": "y"}
    assert found["spec"]["replicas"] == 4
    done = k.run(
        "patch", "deploy", "web", "--type=json", "-p", '[{"op":"test","path":"/spec/replicas","value":1}]'
    )
    assert done.returncode == 1


def test_label_annotate_edit_and_replace(k: Kubectl) -> None:
    k("create", "configmap", "conf", "--from-literal=a=1")
    k("label", "cm", "conf", "x=1")
    assert k.run("label", "cm", "conf", "x=2").returncode == 1
    k("label", "cm", "conf", "x=2", "--overwrite")
    k("annotate", "cm", "conf", "note=hello")
    found = read(k, "cm", "conf")
    found["data"] = {"b": "2"}
    k("replace", "-f", "-", stdin=json.dumps(found))
    replaced = read(k, "cm", "conf")
    assert replaced["data"] == {"b": "2"}
    assert replaced["metadata"]["labels"] == {"x": "2"}
    assert replaced["metadata"]["annotations"] == {"note": "hello"}
    stale = k.run("replace", "-f", "-", stdin=json.dumps({**found, "data": {"c": "3"}}))
    assert "the object has been modified; please apply your changes to the latest version" in stale.stderr


def test_diff_shows_what_apply_would_do_and_changes_nothing(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    done = k.run("diff", "-f", "-", stdin=DEPLOYMENT.replace("app:1", "app:2"))
    assert done.returncode == 1
    assert re.search(r"-\s+- image: app:1\n\+\s+- image: app:2", done.stdout)
    assert k.run("diff", "-f", "-", stdin=DEPLOYMENT).returncode == 0
    dry = k("apply", "--dry-run=server", "-f", "-", stdin=DEPLOYMENT.replace("app:1", "app:2"))
    assert dry == "deployment.apps/web configured (server dry run)\n"
    assert read(k, "deploy", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1"


def test_rollout_commands(k: Kubectl, server: LiveServer) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    api = server.plane.api
    for revision, image in (("1", "app:1"), ("2", "app:2")):
        deployment = api.get("Deployment", "web", k.namespace)
        template = json.loads(json.dumps(deployment["spec"]["template"]))
        template["spec"]["containers"][0]["image"] = image
        labels = {"app": "web", "pod-template-hash": revision}
        template["metadata"]["labels"] = labels
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "uid": deployment["metadata"]["uid"],
            "controller": True,
        }
        metadata = {
            "name": f"web-{revision}",
            "namespace": k.namespace,
            "labels": labels,
            "ownerReferences": [owner],
            "annotations": {"deployment.kubernetes.io/revision": revision},
        }
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        server.do(api.create, "ReplicaSet", {"metadata": metadata, "spec": spec})
    k("annotate", "deploy", "web", "deployment.kubernetes.io/revision=2")
    k("set", "image", "deploy/web", "main=app:2")
    history = k("rollout", "history", "deploy/web")
    assert re.search(r"^1 .*\n2 ", history, re.MULTILINE)
    assert k("rollout", "undo", "deploy/web") == "deployment.apps/web rolled back\n"
    assert read(k, "deploy", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1"
    k("rollout", "restart", "deploy/web")
    annotations = read(k, "deploy", "web")["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    k("rollout", "pause", "deploy/web")
    assert read(k, "deploy", "web")["spec"]["paused"] is True
    k("rollout", "resume", "deploy/web")
    assert "paused" not in read(k, "deploy", "web")["spec"]
    finish(server, k.namespace)
    status = k("rollout", "status", "deploy/web", "--timeout=10s")
    assert status == 'deployment "web" successfully rolled out\n'


def finish(server: LiveServer, namespace: str) -> None:
    """Say of the Deployment what its controller would say when it is done."""
    api = server.plane.api
    deployment = api.get("Deployment", "web", namespace)
    replicas = deployment["spec"]["replicas"]
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    deployment["status"] = {
        "observedGeneration": deployment["metadata"]["generation"],
        **dict.fromkeys(names, replicas),
    }
    condition = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""}
    deployment["status"]["conditions"] = [condition]
    server.do(api.update_status, "Deployment", deployment)


def test_wait_for_a_condition_and_for_deletion(k: Kubectl, server: LiveServer) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    timed_out = k.run("wait", "deploy/web", "--for=condition=Available", "--timeout=100ms")
    assert timed_out.returncode == 1
    assert "timed out waiting for the condition" in timed_out.stderr
    finish(server, k.namespace)
    assert k("wait", "deploy/web", "--for=condition=Available", "--timeout=10s") == (
        "deployment.apps/web condition met\n"
    )
    server.do(server.plane.api.delete, "Deployment", "web", k.namespace)
    assert k.run("wait", "deploy/web", "--for=delete", "--timeout=10s").returncode == 0


def test_describe(k: Kubectl, server: LiveServer) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    deployment = server.plane.api.get("Deployment", "web", k.namespace)
    api = server.plane.api
    for _ in range(2):
        server.do(api.record_event, deployment, "Normal", "ScalingReplicaSet", "Scaled up", component="x")
    text = k("describe", "deploy", "web")
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in text
    assert "ScalingReplicaSet" in text
    assert "x2 over" in text
    k("run", "lone", "--image=app:1")
    assert "QoS Class:                   BestEffort" in k("describe", "pod", "lone")
    assert "ScalingReplicaSet" in k("events", "--for", "deployment/web")
    assert "ScalingReplicaSet" in k("get", "events")


def test_delete_by_name_label_and_file(k: Kubectl) -> None:
    k("apply", "-f", "-", stdin=DEPLOYMENT)
    for name in ("a", "b"):
        k("create", "cm", name)
        k("label", "cm", name, "sweep=yes")
    k("delete", "cm", "-l", "sweep=yes")
    assert k("get", "cm", "-o", "name") == "configmap/kube-root-ca.crt\n"
    assert (
        k("delete", "-f", "-", stdin=DEPLOYMENT)
        == f'deployment.apps "web" deleted from {k.namespace} namespace\n'
    )
    assert k("delete", "cm", "ghost", "--ignore-not-found") == ""
    assert k.run("get", "deploy", "web").returncode == 1


def test_finalizer_holds_an_object_until_it_is_taken_off(k: Kubectl) -> None:
    k("create", "cm", "held")
    k("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":["example.test/hold"]}}')
    k("delete", "cm", "held", "--wait=false")
    held = read(k, "cm", "held")
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    k("patch", "cm", "held", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert k.run("get", "cm", "held").returncode == 1


def test_orphan_and_foreground_are_left_for_the_collector(k: Kubectl) -> None:
    for policy, finalizer in (("orphan", "orphan"), ("foreground", "foregroundDeletion")):
        k("create", "deployment", policy, "--image=x")
        k("delete", "deploy", policy, f"--cascade={policy}", "--wait=false")
        assert read(k, "deploy", policy)["metadata"]["finalizers"] == [finalizer]


def test_pod_that_is_bound_waits_for_its_node(k: Kubectl, server: LiveServer) -> None:
    k("run", "free", "--image=x")
    k("run", "bound", "--image=x")
    server.do(server.plane.api.bind, "bound", k.namespace, "dockyard")
    k("delete", "pod", "free")
    assert k.run("get", "pod", "free").returncode == 1
    k("delete", "pod", "bound", "--wait=false")
    pod = read(k, "pod", "bound")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    assert k("get", "pod", "bound").splitlines()[1].split()[:3] == ["bound", "0/1", "Terminating"]
    k("delete", "pod", "bound", "--grace-period=0", "--force")
    assert k.run("get", "pod", "bound").returncode == 1


def test_explain_and_the_lists_of_resources(k: Kubectl) -> None:
    text = k("explain", "pod.spec.containers.readinessProbe")
    assert "KIND:       Pod" in text
    assert "successThreshold\t<integer>" in text
    assert "Minimum consecutive successes" in text
    assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment$", k("api-resources"), re.MULTILINE)
    assert "discovery.k8s.io/v1" in k("api-versions").split()


def test_auth_questions(k: Kubectl) -> None:
    assert k("auth", "can-i", "delete", "nodes") == "yes\n"
    assert "*.*" in k("auth", "can-i", "--list")
    assert re.search(
        r"Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]", k("auth", "whoami")
    )


def test_new_namespace_is_furnished(k: Kubectl) -> None:
    assert k("get", "sa", "-o", "name") == "serviceaccount/default\n"
    assert "BEGIN CERTIFICATE" in read(k, "cm", "kube-root-ca.crt")["data"]["ca.crt"]
    refused = k.run("delete", "ns", "kube-system")
    assert 'namespaces "kube-system" is forbidden: this namespace may not be deleted' in refused.stderr


def test_service_addresses_and_node_ports_are_unique(k: Kubectl) -> None:
    k("create", "service", "nodeport", "one", "--tcp=80")
    one = read(k, "svc", "one")["spec"]
    assert one["clusterIP"].startswith("10.96.")
    assert 30000 <= one["ports"][0]["nodePort"] <= 32767
    taken = k.run(
        "create", "service", "nodeport", "two", "--tcp=80", f"--node-port={one['ports'][0]['nodePort']}"
    )
    assert "provided port is already allocated" in taken.stderr
    far = k.run("create", "service", "nodeport", "two", "--tcp=80", "--node-port=80")
    assert "The range of valid ports is 30000-32767" in far.stderr
    same = k.run("create", "service", "clusterip", "three", "--tcp=80", f"--clusterip={one['clusterIP']}")
    assert "provided IP is already allocated" in same.stderr
    k("patch", "svc", "one", "--type=merge", "-p", '{"spec":{"ports":[{"port":81}]}}')
    assert read(k, "svc", "one")["spec"]["clusterIP"] == one["clusterIP"]


def test_watch_prints_rows_as_they_change(k: Kubectl, server: LiveServer) -> None:
    k("create", "cm", "watched")
    environment = {"KUBECONFIG": str(k.kubeconfig), "KUBECACHEDIR": str(k.cache), "HOME": str(k.cache)}
    argv = [str(KUBECTL), "-n", k.namespace, "get", "cm", "watched", "-w"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().split() == ["NAME", "DATA", "AGE"]
            assert process.stdout.readline().split()[:2] == ["watched", "0"]
            # kubectl leaves out the first state of its watch, which it has just printed.
            eventually(lambda: len(server.plane.store._subscribers) > server.resting, "the watch is open")
            patch = {"data": {"a": "1", "b": "2"}}
            server.do(server.plane.api.patch, "ConfigMap", "watched", patch, "merge", namespace=k.namespace)
            assert process.stdout.readline().split()[:2] == ["watched", "2"]
        finally:
            process.kill()
