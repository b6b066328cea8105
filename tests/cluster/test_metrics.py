"""metrics.k8s.io: what Pods and nodes use, from the runtime's accounts to `kubectl top`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.metrics.readings import Readings, Sample
from tests.cluster.conftest import Kubectl, LiveServer
from tests.cluster.harness import FakeCluster, deployment


def sample(time: float, cpu: float, *, started: float = 0.0) -> Sample:
    return Sample(time, started, round(cpu * 1e9), 5 << 20)


def test_cpu_is_a_rate_between_two_samples() -> None:
    readings = Readings()
    readings.take({"pod": {"main": sample(100, 10.0)}})
    assert readings.of("pod") is None
    readings.take({"pod": {"main": sample(115, 13.0)}})
    found = readings.of("pod")
    assert found is not None
    assert (found.window, found.containers["main"].cpu) == (15.0, 200_000_000)


def test_a_container_that_started_ten_seconds_ago_is_measured_from_its_start() -> None:
    readings = Readings()
    readings.take({"pod": {"main": sample(100, 1.0, started=95)}})
    assert readings.of("pod") is None
    readings.take(
        {"pod": {"main": sample(105, 1.0, started=95)}, "other": {"main": sample(105, 1.0, started=95)}}
    )
    other = readings.of("other")
    assert other is not None
    assert other.containers["main"].cpu == 100_000_000


def test_a_pod_is_shown_when_all_its_containers_are_known_and_forgotten_when_it_ends() -> None:
    readings = Readings()
    readings.take({"pod": {"a": sample(100, 1.0)}})
    readings.take({"pod": {"a": sample(115, 1.0), "b": sample(115, 1.0)}})
    assert readings.of("pod") is None
    readings.take({"pod": {"a": sample(130, 1.0), "b": sample(130, 1.0, started=120)}})
    assert readings.of("pod") is not None
    readings.take({})
    assert readings.of("pod") is None


async def test_running_containers_are_measured_every_fifteen_seconds(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    cluster.runtime.cores = lambda pod: 0.25
    cluster.api.create("Deployment", deployment(replicas=2))
    await cluster.advance(31)
    found = [cluster.api.readings.of(pod["metadata"]["uid"]) for pod in cluster.pods()]
    uses = [round(use.cpu / 1e9, 3) for reading in found if reading for use in reading.containers.values()]
    assert uses == [0.25, 0.25]
    cluster.api.delete("Deployment", "web", "default")
    await cluster.advance(60)
    assert cluster.api.readings.of(found and "gone") is None
    await cluster.stop()


@pytest.fixture(scope="module")
def measured(server: LiveServer) -> LiveServer:
    """Two Pods on a node, with known readings."""
    api = server.plane.api

    def fill() -> None:
        allocatable = {"cpu": "2", "memory": "1Gi"}
        node = {"metadata": {"name": "n1"}, "status": {"allocatable": allocatable, "capacity": allocatable}}
        api.create("Node", node)
        taken: list[dict[str, Any]] = [{}, {}]
        for name, cores in (("web-1", 0.25), ("web-2", 0.05)):
            spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "app:1"}]}
            meta = {"name": name, "namespace": "default", "labels": {"app": name}}
            pod = api.create("Pod", {"metadata": meta, "spec": spec})
            api.update_status("Pod", pod | {"status": pod["status"] | {"phase": "Running"}})
            for index, time in enumerate((1000.0, 1015.0)):
                taken[index][pod["metadata"]["uid"]] = {"main": sample(time, time * cores)}
        spec = {"containers": [{"name": "main", "image": "app:1"}]}
        api.create("Pod", {"metadata": {"name": "new", "namespace": "default"}, "spec": spec})
        for samples in taken:
            api.readings.take(samples)

    server.do(fill)
    return server


def test_kubectl_top_shows_pods_and_nodes(measured: LiveServer, kubectl: Kubectl) -> None:
    rows = [line.split() for line in kubectl("top", "pods").splitlines()]
    assert rows == [
        ["NAME", "CPU(cores)", "MEMORY(bytes)"],
        ["web-1", "250m", "5Mi"],
        ["web-2", "50m", "5Mi"],
    ]
    rows = [line.split() for line in kubectl("top", "pods", "-l", "app=web-2", "--containers").splitlines()]
    assert rows[1:] == [["web-2", "main", "50m", "5Mi"]]
    rows = [line.split() for line in kubectl("top", "nodes").splitlines()]
    assert rows[1:] == [["n1", "300m", "15%", "10Mi", "0%"]]


def test_readings_are_objects_and_tables(measured: LiveServer, kubectl: Kubectl) -> None:
    one = json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web-1"))
    assert one["kind"] == "PodMetrics"
    assert one["window"] == "15.000s"
    assert one["containers"] == [{"name": "main", "usage": {"cpu": "250000000n", "memory": "5120Ki"}}]
    missing = kubectl.run("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none")
    assert missing.stderr == 'Error from server (NotFound): pods "none" not found\n'
    unmeasured = kubectl.run("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/new")
    assert 'podmetrics.metrics.k8s.io "default/new" not found' in unmeasured.stderr
    table = kubectl("get", "nodes.metrics.k8s.io").splitlines()
    assert table[0].split() == ["NAME", "CPU", "MEMORY", "WINDOW"]
    assert table[1].split() == ["n1", "300000000n", "10240Ki", "15.000s"]
    assert "podmetrics" not in kubectl("get", "all")
