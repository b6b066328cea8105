"""Real processes, real probes, real clients: what the lessons build on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.live.conftest import LiveCluster
from tests.deadline import eventually

KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
ASK = "import urllib.request, sys; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


@pytest.fixture(scope="module", autouse=True)
def web(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", str(Path(__file__).parent / "manifests" / "web.yaml"))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")


def pods(kubectl: Kubectl, selector: str = "app=web") -> list[str]:
    found = json.loads(kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    return [p["metadata"]["name"] for p in found if "deletionTimestamp" not in p["metadata"]]


def ask(kubectl: Kubectl, url: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(kubectl("exec", "deploy/web", "--", "python", "-c", ASK, url))
    return answer


def asked(kubectl: Kubectl, url: str) -> dict[str, Any]:
    """The answer, or nothing: just after an update the proxy may still send to a Pod that has gone."""
    done = kubectl.run("exec", "deploy/web", "--", "python", "-c", ASK, url)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def test_a_service_balances_by_name_inside_the_cluster(kubectl: Kubectl) -> None:
    # The proxy learns of endpoints a little after `rollout status` has ended, as on any cluster.
    hosts: set[str] = set()

    def all_answered() -> bool:
        hosts.add(asked(kubectl, "http://web/").get("host", ""))
        return hosts - {""} == set(pods(kubectl))

    eventually(all_answered, "each Pod of the Service answers in its turn")
    assert ask(kubectl, f"http://web.{kubectl.namespace}.svc.cluster.local/")["greeting"] == "hello"


def test_an_external_name_leads_to_another_service(kubectl: Kubectl) -> None:
    target = f"web.{kubectl.namespace}.svc.cluster.local"
    kubectl("create", "service", "externalname", "shop", "--external-name", target)
    try:
        eventually(lambda: asked(kubectl, "http://shop/").get("greeting") == "hello", "shop is web")
    finally:
        kubectl("delete", "service", "shop")


def test_environment_and_volumes_come_from_objects(kubectl: Kubectl) -> None:
    name = pods(kubectl)[0]
    address = kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    assert kubectl("exec", name, "--", "sh", "-c", "echo $WHO").strip() == f"1-{address}"
    assert "serve_forever" in kubectl("exec", name, "--", "cat", "/src/main.py")
    namespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
    assert kubectl("exec", name, "--", "cat", namespace) == kubectl.namespace


def test_exec_hands_on_input_output_and_the_exit_code(kubectl: Kubectl) -> None:
    name = pods(kubectl)[0]
    assert kubectl("exec", "-i", name, "--", "cat", stdin="abc\n") == "abc\n"
    done = kubectl.run("exec", name, "--", "sh", "-c", "echo out; echo err >&2; exit 4")
    assert (done.returncode, done.stdout) == (4, "out\n")
    assert done.stderr == "err\ncommand terminated with exit code 4\n"
    missing = kubectl.run("exec", name, "--", "nosuchcmd")
    assert missing.returncode != 0
    assert 'exec: "nosuchcmd": executable file not found in $PATH' in missing.stderr


def test_logs_are_tailed_and_stamped(kubectl: Kubectl) -> None:
    name = pods(kubectl)[0]
    eventually(lambda: "/readyz" in kubectl("logs", name), "the probe shows in the log")
    line = kubectl("logs", name, "--tail=1", "--timestamps").splitlines()
    assert len(line) == 1
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /", line[0])
    done = kubectl.run("logs", name, "--previous")
    assert f'previous terminated container "app" in pod "{name}" not found' in done.stderr


@contextmanager
def running(kubectl: Kubectl, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """kubectl in the background, ended like a person ends it."""
    environment = {"KUBECONFIG": str(kubectl.kubeconfig), "HOME": str(kubectl.cache), "PATH": ""}
    process = subprocess.Popen(
        [str(KUBECTL), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)


def test_port_forward_reaches_a_pod_and_a_service(kubectl: Kubectl) -> None:
    for target, port in ((f"pod/{pods(kubectl)[0]}", 8000), ("service/web", 80)):
        with running(kubectl, "port-forward", target, f":{port}") as process:
            assert process.stdout is not None
            match = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert match
            for _ in range(2):
                with urllib.request.urlopen(f"http://127.0.0.1:{match[1]}/", timeout=10) as answer:
                    assert json.load(answer)["host"] in pods(kubectl)


def test_followed_logs_show_lines_as_they_come(kubectl: Kubectl) -> None:
    name = pods(kubectl)[0]
    with running(kubectl, "logs", "-f", "--tail=0", name) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("/readyz")


def test_the_proxy_subresource_relays_to_service_and_pod(kubectl: Kubectl) -> None:
    here = f"/api/v1/namespaces/{kubectl.namespace}"
    answer = json.loads(kubectl("get", "--raw", f"{here}/services/web:http/proxy/"))
    assert answer["host"] in pods(kubectl)
    name = pods(kubectl)[0]
    raw = kubectl("get", "--raw", f"{here}/pods/{name}:8000/proxy/x?y=1")
    assert json.loads(raw)["host"] == name


def test_an_unready_pod_gets_no_requests_and_is_not_restarted(kubectl: Kubectl) -> None:
    name = pods(kubectl)[0]
    kubectl("exec", name, "--", "touch", "/tmp/notready")
    kubectl("wait", "--for=condition=Ready=false", f"pod/{name}", "--timeout=20s")
    others = set(pods(kubectl)) - {name}
    from_other = next(iter(others))

    def answers() -> set[str]:
        script = f"{ASK}\nfor _ in range(8): print(urllib.request.urlopen(sys.argv[1]).read().decode())"
        lines = kubectl("exec", from_other, "--", "python", "-c", script, "http://web/").splitlines()
        return {json.loads(line)["host"] for line in lines if line}

    eventually(lambda: answers() == others, "the unready Pod is out of the Service")
    kubectl("exec", name, "--", "rm", "/tmp/notready")
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=20s")
    restarts = kubectl("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
    assert restarts == "0"


def test_a_rolling_update_and_its_undo(kubectl: Kubectl) -> None:
    kubectl("set", "env", "deployment/web", "VERSION=2")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: asked(kubectl, "http://web/").get("version") == "2", "version 2 answers")
    assert kubectl("rollout", "history", "deployment/web").split()[-4:] == ["1", "<none>", "2", "<none>"]
    done = kubectl.run("rollout", "undo", "deployment/web")
    assert done.returncode == 0, done.stderr
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: asked(kubectl, "http://web/").get("version") == "1", "version 1 answers again")


@pytest.mark.embedded("the machine of the tests is none of its nodes")
def test_a_node_port_balances_on_the_machine(kubectl: Kubectl) -> None:
    kubectl(
        "expose", "deployment", "web", "--name=outside", "--type=NodePort", "--port=80", "--target-port=http"
    )
    port = kubectl("get", "service", "outside", "-o", "jsonpath={.spec.ports[0].nodePort}")

    def hosts() -> set[str] | None:
        try:
            found = set()
            for _ in range(6):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    found.add(json.load(answer)["host"])
            return found
        except OSError:
            return None

    eventually(lambda: hosts() == set(pods(kubectl)), "every Pod answers on the node port")
    kubectl("delete", "service", "outside")


def test_a_failing_liveness_probe_restarts_the_container(kubectl: Kubectl) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "live"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "main",
                    "image": "python:3.12-slim",
                    "command": ["sh", "-c", "touch /tmp/healthy; sleep 2; rm /tmp/healthy; sleep 1000"],
                    "livenessProbe": {
                        "exec": {"command": ["cat", "/tmp/healthy"]},
                        "periodSeconds": 1,
                        "failureThreshold": 1,
                        "initialDelaySeconds": 1,
                    },
                }
            ],
        },
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    where = "jsonpath={.status.containerStatuses[0].restartCount}"
    eventually(lambda: kubectl("get", "pod", "live", "-o", where) == "1", "it was restarted")
    events = kubectl("events", "--for", "pod/live")
    assert "Liveness probe failed: cat: /tmp/healthy: No such file or directory" in events
    assert "Container main failed liveness probe, will be restarted" in events
    kubectl("delete", "pod", "live", "--now")


def test_a_crash_shows_its_code_and_its_last_log(kubectl: Kubectl) -> None:
    kubectl(
        "run", "crash", "--image=python:3.12-slim", "--command", "--", "sh", "-c", "echo boom >&2; exit 3"
    )
    eventually(
        lambda: kubectl("get", "pod", "crash", "--no-headers").split()[2:4] == ["Error", "1"],
        "it crashed twice",
    )
    assert kubectl("logs", "crash", "--previous") == "boom\n"
    described = kubectl("describe", "pod", "crash")
    assert re.search(r"Last State: +Terminated\n +Reason: +Error\n +Exit Code: +3", described)
    assert f"Back-off restarting failed container crash in pod crash_{kubectl.namespace}" in described
    kubectl("delete", "pod", "crash", "--now")


CLIENT = """
import sys
from kubernetes import client, config
from kubernetes.stream import portforward, stream
config.load_kube_config(sys.argv[1])
core, name, namespace = client.CoreV1Api(), sys.argv[2], sys.argv[3]
command = ["sh", "-c", "read line; echo got $line; echo bad >&2; exit 3"]
streams = {"stdin": True, "stdout": True, "stderr": True, "tty": False, "_preload_content": False}
run = stream(core.connect_get_namespaced_pod_exec, name, namespace, command=command, **streams)
run.write_stdin("abc\\n")
run.run_forever(timeout=10)
print(run.read_stdout().strip(), run.read_stderr().strip(), run.returncode)
core = client.CoreV1Api(client.ApiClient())
forward = core.connect_get_namespaced_pod_portforward
socket = portforward(forward, name, namespace, ports="8000").socket(8000)
socket.settimeout(10)
socket.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
received = b""
while chunk := socket.recv(4096):
    received += chunk
print(name.encode() in received)
"""


def test_the_python_client_executes_and_forwards(kubectl: Kubectl) -> None:
    # In a process of its own: the client leaves its sockets to the garbage collector.
    argv = [sys.executable, "-c", CLIENT, str(kubectl.kubeconfig), pods(kubectl)[0], kubectl.namespace]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "got abc bad 3\nTrue\n", done.stderr


def test_pods_run_again_after_a_restart(live: LiveCluster, kubectl: Kubectl) -> None:
    before = pods(kubectl)
    live.reboot()
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    def restarted() -> bool:
        text = kubectl("get", "pods", "-l", "app=web", "--no-headers")
        return [line.split()[1:4] for line in text.splitlines()] == [["1/1", "Running", "1"]] * 3

    eventually(restarted, "all three run again")
    assert pods(kubectl) == before
    eventually(lambda: asked(kubectl, "http://web/").get("host") in before, "the Service leads to them again")


def test_a_deleted_namespace_ends_its_processes(inside: LiveCluster | None, kubectl: Kubectl) -> None:
    short = f"{kubectl.namespace}-short"
    kubectl("create", "namespace", short)
    kubectl("-n", short, "run", "x", "--image=python:3.12-slim", "--command", "--", "sleep", "1000")
    kubectl("-n", short, "wait", "--for=condition=Ready", "pod/x", "--timeout=20s")
    kubectl("-n", short, "delete", "pod", "x", "--wait=false", "--grace-period=1")
    kubectl("delete", "namespace", short, "--timeout=30s")
    assert "NotFound" in kubectl.run("get", "namespace", short).stderr
    if inside is not None:
        agents = inside.cluster.agents
        assert inside.do(lambda: sum(len(agent.workers) for agent in agents.values())) == 3


# What a Pod needs to talk to the API server: its token, the authority, and a name.
TALK = """
import json, ssl, urllib.error, urllib.request
home = "/var/run/secrets/kubernetes.io/serviceaccount/"
url = "https://kubernetes.default.svc/api/v1/namespaces/" + open(home + "namespace").read() + "/pods"
request = urllib.request.Request(url, headers={"Authorization": "Bearer " + open(home + "token").read()})
context = ssl.create_default_context(cafile=home + "ca.crt")
try:
    answer = urllib.request.urlopen(request, context=context, timeout=5)
    print(json.dumps({"status": answer.status, "kind": json.load(answer)["kind"]}))
except urllib.error.HTTPError as refusal:
    print(json.dumps({"status": refusal.code, "message": json.load(refusal)["message"]}))
"""


def test_a_pod_talks_to_the_api_server_as_its_service_account(
    inside: LiveCluster | None, kubectl: Kubectl
) -> None:
    if inside is not None:
        inside.do(inside.cluster.announce, inside.port)
    here = kubectl.namespace

    def talk() -> dict[str, Any]:
        done = kubectl.run("exec", "deploy/web", "--", "python", "-c", TALK)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    eventually(lambda: talk().get("status") == 403, "the API server can be reached")
    assert talk()["message"] == (
        f'pods is forbidden: User "system:serviceaccount:{here}:default" cannot list resource "pods" '
        f'in API group "" in the namespace "{here}"'
    )
    kubectl("create", "rolebinding", "look", "--clusterrole=view", f"--serviceaccount={here}:default")
    assert talk() == {"status": 200, "kind": "PodList"}
    kubectl("delete", "rolebinding", "look")


def test_an_indexed_job_tells_each_pod_its_index_and_completes(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", str(Path(__file__).parent / "manifests" / "job.yaml"))
    kubectl("wait", "job/count", "--for=condition=complete", "--timeout=60s")
    said = kubectl("logs", "-l", "job-name=count", "--tail=-1")
    assert sorted(said.split("\n")[:-1]) == ["0 on count-0", "1 on count-1"]
    kubectl("delete", "job", "count")
    eventually(lambda: not pods(kubectl, "job-name=count"), "its Pods go with the Job")
