"""The end of a Pod: grace, hooks, endpoints, force, sidecars."""

from __future__ import annotations

import signal

from dockyard.cluster.errors import NotFound
from dockyard.cluster.store import Manifest
from tests.cluster.fakes import FakeProcess
from tests.cluster.harness import FakeCluster, deployment, pod


def stubborn(process: FakeProcess) -> None:
    process.ignores.add(signal.SIGTERM)


def is_gone(cluster: FakeCluster, name: str) -> bool:
    try:
        cluster.pod(name)
    except NotFound:
        return True
    return False


async def test_sigterm_then_sigkill_after_the_grace_period(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = stubborn
    cluster.api.create("Pod", pod("web", spec={"terminationGracePeriodSeconds": 5}))
    await cluster.advance(1)
    process = cluster.runtime.process_of("web")

    cluster.api.delete("Pod", "web", "default")
    await cluster.advance(4.9)
    assert process.signals == [signal.SIGTERM]
    assert not is_gone(cluster, "web")
    assert ("Killing", "Stopping container main") in cluster.events("web")

    await cluster.advance(0.2)
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]
    assert is_gone(cluster, "web")
    last = cluster.history("Pod", "web")[-1]
    assert last["status"]["phase"] == "Failed"
    assert last["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


async def test_a_clean_exit_ends_the_pod_as_succeeded(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = lambda p: setattr(p, "on_signal", lambda signum: p.end(0))
    cluster.api.create("Pod", pod("web"))
    await cluster.advance(1)
    cluster.api.delete("Pod", "web", "default")
    await cluster.settle()
    assert is_gone(cluster, "web")
    assert cluster.history("Pod", "web")[-1]["status"]["phase"] == "Succeeded"


async def test_pre_stop_runs_before_sigterm_and_within_the_grace(cluster: FakeCluster) -> None:
    hook = {"preStop": {"sleep": {"seconds": 4}}}
    spec = {"terminationGracePeriodSeconds": 10}
    cluster.api.create("Pod", pod("web", spec=spec, lifecycle=hook))
    await cluster.advance(1)
    process = cluster.runtime.process_of("web")
    cluster.api.delete("Pod", "web", "default")
    await cluster.advance(3.9)
    assert process.signals == []
    await cluster.advance(0.2)
    assert process.signals == [signal.SIGTERM]
    assert is_gone(cluster, "web")


async def test_a_long_pre_stop_is_cut_off_and_two_seconds_are_left(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = stubborn
    hook = {"preStop": {"sleep": {"seconds": 60}}}
    cluster.api.create("Pod", pod("web", spec={"terminationGracePeriodSeconds": 3}, lifecycle=hook))
    await cluster.advance(1)
    process = cluster.runtime.process_of("web")
    cluster.api.delete("Pod", "web", "default")
    await cluster.advance(3.1)
    assert process.signals == [signal.SIGTERM]
    await cluster.advance(2)
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]


async def test_a_failed_pre_stop_hook_is_reported_and_does_not_stop_the_end(cluster: FakeCluster) -> None:
    cluster.runtime.execs["false"] = lambda p: cluster.clock.call_later(0, lambda: p.end(1)) and None
    hook = {"preStop": {"exec": {"command": ["false"]}}}
    cluster.api.create("Pod", pod("web", lifecycle=hook))
    await cluster.advance(1)
    cluster.api.delete("Pod", "web", "default")
    await cluster.advance(1)
    assert ("FailedPreStopHook", "PreStopHook failed") in cluster.events("web")
    assert is_gone(cluster, "web")


async def test_an_endpoint_turns_terminating_at_once_and_goes_with_the_phase(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = stubborn
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    cluster.api.create("Service", service, namespace="default")
    web = pod("web", spec={"terminationGracePeriodSeconds": 5})
    web["metadata"]["labels"] = {"app": "web"}
    cluster.api.create("Pod", web)
    await cluster.advance(2)
    cluster.api.delete("Pod", "web", "default")
    await cluster.settle()
    (found,) = cluster.api.list("EndpointSlice", "default", labels={"kubernetes.io/service-name": "web"})
    assert found["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert "subsets" not in cluster.api.get("Endpoints", "web", "default")

    await cluster.advance(6)
    (found,) = cluster.api.list("EndpointSlice", "default", labels={"kubernetes.io/service-name": "web"})
    assert found["endpoints"] is None


async def test_the_proxy_reacts_to_a_first_change_soon_and_to_the_next_after_a_second(
    cluster: FakeCluster,
) -> None:
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    cluster.api.create("Service", service, namespace="default")
    cluster.api.create("Deployment", deployment(replicas=1))
    await cluster.advance(5)
    front = cluster.api.get("Service", "web", "default")["spec"]["clusterIP"], 80
    services = cluster.runtime.network.services
    assert len(services[front]) == 1

    cluster.api.patch("Deployment", "web", {"spec": {"replicas": 2}}, "merge", namespace="default")
    await cluster.settle()
    assert len(services[front]) == 1, "the proxy is asynchronous"
    await cluster.advance(0.1)
    assert len(services[front]) == 2

    cluster.api.patch("Deployment", "web", {"spec": {"replicas": 3}}, "merge", namespace="default")
    await cluster.advance(0.8)
    assert len(services[front]) == 2
    await cluster.advance(0.3)
    assert len(services[front]) == 3


async def test_a_forced_delete_ends_the_processes_too(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = stubborn
    cluster.api.create("Pod", pod("web"))
    await cluster.advance(1)
    process = cluster.runtime.process_of("web")
    cluster.api.delete("Pod", "web", "default", grace_period_seconds=0)
    await cluster.settle()
    assert is_gone(cluster, "web")
    await cluster.advance(1.5)
    assert not process.running
    assert cluster.agent.workers == {}


async def test_a_second_delete_shortens_the_grace(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = stubborn
    cluster.api.create("Pod", pod("web", spec={"terminationGracePeriodSeconds": 100}))
    await cluster.advance(1)
    cluster.api.delete("Pod", "web", "default")
    await cluster.advance(5)
    cluster.api.delete("Pod", "web", "default", grace_period_seconds=2)
    await cluster.advance(2.5)
    assert is_gone(cluster, "web")


async def test_a_deleted_pod_is_replaced_while_it_still_ends(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = stubborn
    cluster.api.create("Deployment", deployment(replicas=2, pod_spec={"terminationGracePeriodSeconds": 20}))
    await cluster.advance(2)
    victim = cluster.pods()[0]["metadata"]["name"]
    cluster.api.delete("Pod", victim, "default")
    await cluster.settle()
    running = [p for p in cluster.pods() if "deletionTimestamp" not in p["metadata"]]
    assert len(running) == 2
    (rs,) = cluster.api.list("ReplicaSet", "default")
    assert rs["status"]["terminatingReplicas"] == 1
    assert cluster.api.get("Deployment", "web", "default")["status"]["terminatingReplicas"] == 1
    await cluster.advance(25)
    assert cluster.api.get("Deployment", "web", "default")["status"]["terminatingReplicas"] == 0


def with_sidecar() -> Manifest:
    side = {"name": "side", "image": "app:v1", "command": ["side"], "restartPolicy": "Always"}
    init = {"name": "init", "image": "app:v1", "command": ["init"]}
    return pod("multi", spec={"initContainers": [init, side], "restartPolicy": "Never"})


async def test_init_containers_run_in_order_and_a_sidecar_outlives_the_main_container(
    cluster: FakeCluster,
) -> None:
    order: list[str] = []

    def init(process: FakeProcess) -> None:
        order.append("init")
        cluster.clock.call_later(2, lambda: process.end(0))

    cluster.runtime.programs["init"] = init
    cluster.runtime.programs["side"] = lambda p: order.append("side")
    cluster.runtime.programs["serve"] = lambda p: order.append("main")
    cluster.api.create("Pod", with_sidecar())
    await cluster.advance(1)
    initialised = next(c for c in cluster.pod("multi")["status"]["conditions"] if c["type"] == "Initialized")
    assert initialised["message"] == "containers with incomplete status: [init side]"
    assert order == ["init"]
    await cluster.advance(2)
    assert order == ["init", "side", "main"]
    assert cluster.pod("multi")["status"]["phase"] == "Running"

    main = next(p for p in cluster.runtime.processes.values() if p.argv == ("serve",))
    side = next(p for p in cluster.runtime.processes.values() if p.argv == ("side",))
    side.on_signal = lambda signum: side.end(0)
    main.end(0)
    await cluster.settle()
    assert side.signals == [signal.SIGTERM]
    assert cluster.pod("multi")["status"]["phase"] == "Succeeded"


async def test_a_failing_init_container_keeps_the_pod_pending(cluster: FakeCluster) -> None:
    cluster.runtime.programs["init"] = lambda p: cluster.clock.call_later(0.1, lambda: p.end(1)) and None
    init = {"name": "bad", "image": "app:v1", "command": ["init"]}
    cluster.api.create("Pod", pod("initfail", spec={"initContainers": [init]}))
    await cluster.advance(5)
    status = cluster.pod("initfail")["status"]
    assert status["phase"] == "Pending"
    assert status["initContainerStatuses"][0]["restartCount"] == 1
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}


async def test_an_old_pod_ends_while_the_proxy_still_sends_it_requests(cluster: FakeCluster) -> None:
    """What a preStop hook is for: the recorded updates without one lost 1 % of their requests."""
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    cluster.api.create("Service", service, namespace="default")
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.api.create("Deployment", deployment(replicas=1, strategy=strategy))
    await cluster.advance(5)
    front = cluster.api.get("Service", "web", "default")["spec"]["clusterIP"], 80
    (old,) = cluster.runtime.network.services[front]

    found = cluster.api.get("Deployment", "web", "default")
    found["spec"]["template"]["metadata"]["labels"]["v"] = "2"
    cluster.api.update("Deployment", found)
    await cluster.advance(0.5)
    assert len(cluster.pods()) == 1, "the old Pod is gone"
    assert old in cluster.runtime.network.services[front], "and still gets requests"
    await cluster.advance(1)
    assert old not in cluster.runtime.network.services[front]
    assert len(cluster.runtime.network.services[front]) == 1


async def test_the_pods_of_a_namespace_that_goes_are_ended_though_no_event_can_say_so(
    cluster: FakeCluster,
) -> None:
    cluster.api.create("Namespace", {"metadata": {"name": "short"}})
    await cluster.settle()
    manifest = pod("web")
    manifest["metadata"]["namespace"] = "short"
    cluster.api.create("Pod", manifest)
    await cluster.advance(1)
    process = cluster.runtime.process_of("web")
    assert process.running

    cluster.api.delete("Namespace", "short")
    await cluster.advance(60)
    assert process.signals[0] == signal.SIGTERM
    assert not process.running
    assert cluster.api.find("Namespace", "short") is None
