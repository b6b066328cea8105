"""Probes: when they ask, how often it takes, and what a verdict does."""

from __future__ import annotations

import asyncio

from dockyard.cluster.node.prober import Count
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, pod


def http(path: str = "/", **fields: int) -> Manifest:
    return {"httpGet": {"path": path, "port": 8000}, "periodSeconds": 1, **fields}


def is_ready(cluster: FakeCluster, name: str = "web") -> bool:
    return bool(cluster.pod(name)["status"]["containerStatuses"][0]["ready"])


def unhealthy(cluster: FakeCluster, name: str = "web") -> list[str]:
    return [message for reason, message in cluster.events(name) if reason == "Unhealthy"]


def test_a_verdict_needs_its_threshold_in_a_row() -> None:
    count = Count(success_threshold=2, failure_threshold=3)
    answers = [True, True, False, False, True, False, False, False, True, True]
    verdicts = [count.add(answer) for answer in answers]
    assert verdicts == [None, True, None, None, None, None, None, False, None, True]


async def test_the_first_probe_is_sent_as_soon_as_the_container_runs(cluster: FakeCluster) -> None:
    asked = []
    cluster.runtime.network.servers["web"] = lambda path: asked.append(path) or 200
    cluster.api.create("Pod", pod("web", readinessProbe=http("/readyz")))
    await cluster.settle()
    assert asked == ["/readyz"]
    assert is_ready(cluster)


async def test_probes_run_on_their_period(cluster: FakeCluster) -> None:
    asked: list[float] = []
    begin = cluster.clock.monotonic()
    cluster.runtime.network.servers["web"] = lambda path: (
        asked.append(cluster.clock.monotonic() - begin) or 200
    )
    cluster.api.create("Pod", pod("web", readinessProbe=http(periodSeconds=5)))
    await cluster.advance(16)
    assert [round(moment) for moment in asked] == [0, 5, 10, 15]


async def test_an_initial_delay_is_kept_on_the_periods_grid(cluster: FakeCluster) -> None:
    asked: list[float] = []
    begin = cluster.clock.monotonic()
    cluster.runtime.network.servers["web"] = lambda path: (
        asked.append(cluster.clock.monotonic() - begin) or 200
    )
    cluster.api.create("Pod", pod("web", livenessProbe=http(periodSeconds=3, initialDelaySeconds=2)))
    await cluster.advance(10)
    # As in the recorded Pod: delay 2, period 3, asked at 3, 6, 9.
    assert [round(moment) for moment in asked] == [3, 6, 9]


async def test_readiness_takes_the_pod_out_of_its_service_and_back(cluster: FakeCluster) -> None:
    answer = 200
    cluster.runtime.network.servers["web"] = lambda path: answer
    cluster.api.create(
        "Service",
        {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
        namespace="default",
    )
    web = pod("web", readinessProbe=http(failureThreshold=2))
    web["metadata"]["labels"] = {"app": "web"}
    cluster.api.create("Pod", web)
    await cluster.advance(3)
    address = cluster.api.get("Service", "web", "default")["spec"]["clusterIP"]
    services = cluster.runtime.network.services
    assert len(services[address, 80]) == 1

    answer = 503
    await cluster.advance(4)
    assert not is_ready(cluster)
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in unhealthy(cluster)
    assert services[address, 80] == []
    assert len(cluster.runtime.started) == 1, "readiness never restarts a container"

    answer = 200
    await cluster.advance(3)
    assert len(services[address, 80]) == 1


async def test_one_failure_below_the_threshold_changes_nothing(cluster: FakeCluster) -> None:
    answers = iter([200, 200, 503, 200, 200])
    cluster.runtime.network.servers["web"] = lambda path: next(answers, 200)
    cluster.api.create("Pod", pod("web", readinessProbe=http(failureThreshold=2)))
    await cluster.advance(6)
    states = {
        v["status"]["containerStatuses"][0]["ready"]
        for v in cluster.history("Pod", "web")
        if v["status"].get("podIP")
    }
    assert is_ready(cluster)
    versions = [v for v in cluster.history("Pod", "web") if v["status"].get("podIP")]
    readiness = [v["status"]["containerStatuses"][0]["ready"] for v in versions]
    assert states == {False, True}
    assert readiness == sorted(readiness), "it never went back"


async def test_a_refused_connection_reads_as_recorded(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", pod("web", startupProbe=http("/startupz", failureThreshold=30)))
    await cluster.advance(2)
    ip = cluster.pod("web")["status"]["podIP"]
    text = (
        f'Startup probe failed: Get "http://{ip}:8000/startupz": '
        f"dial tcp {ip}:8000: connect: connection refused"
    )
    assert text in unhealthy(cluster)


async def test_other_probes_wait_for_the_startup_probe(cluster: FakeCluster) -> None:
    asked: list[str] = []
    healthy: set[str] = set()

    def serve(path: str) -> int:
        asked.append(path)
        return 200 if path in healthy else 500

    cluster.runtime.network.servers["web"] = serve
    probes = {
        "startupProbe": http("/startupz", failureThreshold=30),
        "livenessProbe": http("/healthz"),
        "readinessProbe": http("/readyz"),
    }
    cluster.api.create("Pod", pod("web", **probes))
    await cluster.advance(4)
    assert set(asked) == {"/startupz"}
    assert cluster.pod("web")["status"]["containerStatuses"][0]["started"] is False

    healthy |= {"/startupz", "/healthz", "/readyz"}
    await cluster.advance(1)
    asked.clear()
    await cluster.advance(3)
    assert set(asked) == {"/healthz", "/readyz"}
    assert is_ready(cluster)


async def test_a_startup_probe_that_never_succeeds_restarts_the_container(cluster: FakeCluster) -> None:
    cluster.runtime.network.servers["web"] = lambda path: 500
    cluster.api.create("Pod", pod("web", startupProbe=http(failureThreshold=3)))
    await cluster.advance(3.5)
    assert len(cluster.runtime.started) == 2
    assert ("Killing", "Container main failed startup probe, will be restarted") in cluster.events("web")


async def test_liveness_kills_and_restarts_at_first_without_back_off(cluster: FakeCluster) -> None:
    cluster.runtime.network.servers["web"] = lambda path: 500
    spec = {"terminationGracePeriodSeconds": 2}
    cluster.api.create("Pod", pod("web", spec=spec, livenessProbe=http(periodSeconds=3, failureThreshold=2)))
    await cluster.advance(4)
    process = cluster.runtime.processes[cluster.runtime.started[-1].id]
    container = cluster.pod("web")["status"]["containerStatuses"][0]
    assert container["restartCount"] == 1
    assert process.running
    assert ("Killing", "Container main failed liveness probe, will be restarted") in cluster.events("web")
    assert ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500") in cluster.events(
        "web"
    )

    # The back-off looks at the exit before: 3 s ago the second time, so 10 s have to pass first.
    await cluster.advance(8)
    assert (
        cluster.pod("web")["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
        == "CrashLoopBackOff"
    )


async def test_a_probe_has_its_own_grace_period(cluster: FakeCluster) -> None:
    cluster.runtime.network.servers["web"] = lambda path: 500
    cluster.runtime.programs["serve"] = lambda process: process.ignores.add(15)
    probe = http(failureThreshold=1, terminationGracePeriodSeconds=4)
    cluster.api.create("Pod", pod("web", livenessProbe=probe))
    await cluster.advance(3)
    first = cluster.runtime.processes.get(cluster.runtime.started[0].id)
    assert first is not None
    assert first.running
    await cluster.advance(2)
    assert first.signals == [15, 9]


async def test_a_slow_answer_is_a_failed_one(cluster: FakeCluster) -> None:
    never = asyncio.get_running_loop().create_future()
    original = cluster.runtime.network.dial

    async def dial(sandbox: str, port: int, *, localhost: bool = False) -> object:
        await never
        return await original(sandbox, port)

    cluster.runtime.network.dial = dial  # type: ignore[method-assign]
    cluster.api.create("Pod", pod("web", readinessProbe=http(timeoutSeconds=2, periodSeconds=10)))
    await cluster.advance(1.9)
    assert unhealthy(cluster) == []
    await cluster.advance(0.2)
    ip = cluster.pod("web")["status"]["podIP"]
    assert unhealthy(cluster) == [
        f'Readiness probe failed: Get "http://{ip}:8000/": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)"
    ]


async def test_an_exec_probe_goes_by_the_exit_code(cluster: FakeCluster) -> None:
    def cat(process: object) -> None:
        def run() -> None:
            process.say("cat: /run/healthy: No such file or directory\n", 2)  # type: ignore[attr-defined]
            process.end(1)  # type: ignore[attr-defined]

        cluster.clock.call_later(0, run)

    cluster.runtime.execs["cat"] = cat
    probe = {"exec": {"command": ["cat", "/run/healthy"]}, "periodSeconds": 3}
    cluster.api.create("Pod", pod("live", readinessProbe=probe))
    await cluster.advance(1)
    assert unhealthy(cluster, "live") == [
        "Readiness probe failed: cat: /run/healthy: No such file or directory\n"
    ]
    assert not is_ready(cluster, "live")
