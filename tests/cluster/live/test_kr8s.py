"""kr8s, unmodified: a client whose watches, streams and forwards are built on httpx, on a whole cluster."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.deadline import eventually

kr8s = pytest.importorskip("kr8s")
objects = pytest.importorskip("kr8s.objects")

# kr8s warns of servers that are newer than its list of tested ones.
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning")

LABELS = {"app": "kr8s"}
COMMAND = "echo begun; exec python -u -m http.server 8000"
CONTAINER = {
    "name": "main",
    "image": "python:3.12-slim",
    "command": ["sh", "-c", COMMAND],
    "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "kr8s"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [CONTAINER]},
        },
    },
}


@pytest.fixture(scope="module")
def api(kubectl: Kubectl) -> Any:
    return kr8s.api(kubeconfig=str(kubectl.kubeconfig), namespace=kubectl.namespace)


@pytest.fixture(scope="module")
def deployment(api: Any) -> Iterator[Any]:
    """A Deployment that is Available."""
    made = objects.Deployment(DEPLOYMENT, api=api)
    made.create()
    made.wait("condition=Available", timeout=60)
    yield made
    made.delete()
    made.wait("delete", timeout=60)


@pytest.fixture
def pod(deployment: Any) -> Any:
    """One of its Pods, Ready."""
    found = deployment.pods()[0]
    found.wait("condition=Ready", timeout=60)
    return found


def test_server_says_who_and_what_it_is(api: Any) -> None:
    assert api.version()["major"] == "1"
    assert api.whoami()
    assert {"pods", "deployments"} <= {resource["name"] for resource in api.api_resources()}
    assert api.lookup_kind("deploy") == ("deployment.apps/v1", "deployments", True)


def test_objects_are_got_by_kind_name_and_label(api: Any, deployment: Any) -> None:
    assert len(list(api.get("nodes"))) >= 1
    assert [found.name for found in api.get("deployments", "kr8s")] == ["kr8s"]
    assert all(found.labels.app == "kr8s" for found in api.get("pods", label_selector=LABELS))
    assert objects.Deployment.get("kr8s", api=api).replicas == deployment.replicas
    with pytest.raises(kr8s.NotFoundError):
        objects.Pod.get("ghost", api=api, timeout=0)


def test_changes_are_patched_scaled_and_waited_for(deployment: Any) -> None:
    deployment.label(team="a")
    deployment.annotate(note="b")
    deployment.patch({"metadata": {"labels": {"tier": "back"}}})
    deployment.patch([{"op": "remove", "path": "/metadata/labels/tier"}], type="json")
    deployment.refresh()
    assert dict(deployment.labels) == {"team": "a"}
    deployment.scale(2)
    deployment.wait("jsonpath='{.status.readyReplicas}'=2", timeout=60)
    assert len(deployment.pods()) == 2
    deployment.scale(1)
    eventually(lambda: len(deployment.pods()) == 1, "one Pod is left")


def test_watch_tells_of_what_happens(api: Any, deployment: Any) -> None:
    settings = objects.ConfigMap({"metadata": {"name": "watched"}, "data": {"a": "1"}}, api=api)
    seen = []
    settings.create()
    for event, found in api.watch("configmaps", field_selector={"metadata.name": "watched"}):
        seen.append((event, found.data.a))
        if event == "ADDED":
            settings.patch({"data": {"a": "2"}})
        elif event == "MODIFIED":
            settings.delete()
        elif event == "DELETED":
            break
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]
    assert not settings.exists()


def test_logs_and_commands_come_from_the_pod(pod: Any) -> None:
    assert "begun" in list(pod.logs())
    done = pod.exec(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_ports_are_forwarded(pod: Any) -> None:
    with (
        pod.portforward(remote_port=8000) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer,
    ):
        assert answer.status == 200
