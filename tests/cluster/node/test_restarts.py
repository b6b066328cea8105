"""What happens when a container ends: restart policies, back-off, start errors, a reboot."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

import pytest

from dockyard.cluster.node.backoff import Backoff, go_duration
from dockyard.cluster.podstate import unix
from dockyard.cluster.store import Manifest
from tests.cluster.fakes import FakeProcess
from tests.cluster.harness import FakeCluster, pod


def status_of(found: Manifest) -> Manifest:
    status: Manifest = found["status"]["containerStatuses"][0]
    return status


def waiting_of(cluster: FakeCluster, name: str) -> Manifest:
    statuses = cluster.pod(name)["status"].get("containerStatuses", [{"state": {}}])
    waiting: Manifest = statuses[0]["state"].get("waiting", {})
    return waiting


def ends(cluster: FakeCluster, code: int, after: float) -> None:
    """Every `serve` process ends with `code` after so many seconds."""

    def program(process: FakeProcess) -> None:
        cluster.clock.call_later(after, lambda: process.end(code))

    cluster.runtime.programs["serve"] = program


async def test_a_crash_loop_waits_10_20_40_seconds_as_recorded(cluster: FakeCluster) -> None:
    ends(cluster, 3, after=1.0)
    cluster.api.create("Pod", pod("crash"))
    await cluster.advance(200)

    starts = [spec for spec in cluster.runtime.started if spec.hostname == "crash"]
    assert len(starts) == 6
    times = _start_times(cluster, "crash")
    gaps = [round(after - before) for before, after in pairwise(times)]
    # One second of running, then: at once, 10, 20, 40, 80.
    assert gaps == [1, 11, 21, 41, 81]


def _start_times(cluster: FakeCluster, name: str) -> list[float]:
    found: list[float] = []
    for version in cluster.history("Pod", name):
        for container in version["status"].get("containerStatuses", ()):
            running = container["state"].get("running")
            if running and (not found or unix(running["startedAt"]) != found[-1]):
                found.append(unix(running["startedAt"]))
    return found


async def test_a_crash_loop_reads_error_until_just_before_the_restart(cluster: FakeCluster) -> None:
    ends(cluster, 3, after=1.0)
    cluster.api.create("Pod", pod("crash"))
    await cluster.advance(3)
    container = status_of(cluster.pod("crash"))
    assert container["state"]["terminated"]["exitCode"] == 3
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert container["restartCount"] == 1

    await cluster.advance(10)
    shown = [
        next(iter(status_of(v)["state"].values())).get("reason")
        for v in cluster.history("Pod", "crash")
        if v["status"].get("containerStatuses")
    ]
    uid = cluster.pod("crash")["metadata"]["uid"]
    waiting = [
        status_of(v)["state"]["waiting"]
        for v in cluster.history("Pod", "crash")
        if v["status"].get("containerStatuses") and "waiting" in status_of(v)["state"]
    ]
    assert shown.index("CrashLoopBackOff") > shown.index("Error")
    assert waiting[-1] == {
        "reason": "CrashLoopBackOff",
        "message": f"back-off 10s restarting failed container=main pod=crash_default({uid})",
    }
    message = f"Back-off restarting failed container main in pod crash_default({uid})"
    assert ("BackOff", message) in cluster.events("crash")


def test_back_off_is_forgotten_after_ten_quiet_minutes() -> None:
    backoff = Backoff()
    now = 0.0
    for expected in (10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
        backoff.next(now, now)
        assert backoff.delay == expected
        now += expected
    backoff.next(now + 601, now + 601)
    assert backoff.delay == 10.0


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s")])
def test_durations_read_as_in_go(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


@pytest.mark.parametrize(
    ("policy", "code", "phase", "runs"),
    [
        ("Never", 0, "Succeeded", 1),
        ("Never", 5, "Failed", 1),
        ("OnFailure", 0, "Succeeded", 1),
        ("OnFailure", 5, "Running", 2),
        ("Always", 0, "Running", 2),
    ],
)
async def test_the_restart_policy_decides(
    cluster: FakeCluster, policy: str, code: int, phase: str, runs: int
) -> None:
    ends(cluster, code, after=0.5)
    cluster.api.create("Pod", pod("job", spec={"restartPolicy": policy}))
    await cluster.advance(3)
    found = cluster.pod("job")
    assert found["status"]["phase"] == phase
    assert len(cluster.runtime.started) == runs
    if phase == "Succeeded":
        reasons = {c["type"]: c.get("reason") for c in found["status"]["conditions"]}
        assert reasons["Ready"] == reasons["ContainersReady"] == reasons["Initialized"] == "PodCompleted"


async def test_out_of_memory_is_told_apart(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", pod("hog", spec={"restartPolicy": "Never"}))
    await cluster.settle()
    cluster.runtime.process_of("hog").end(137, signal.SIGKILL, oom_killed=True)
    await cluster.settle()
    assert status_of(cluster.pod("hog"))["state"]["terminated"]["reason"] == "OOMKilled"


async def test_a_program_that_is_not_there_reads_as_recorded(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", pod("notfound", command=["/no/such/binary"]))
    await cluster.advance(5)
    container = status_of(cluster.pod("notfound"))
    why = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        'runc create failed: unable to start container process: exec: "/no/such/binary": '
        "stat /no/such/binary: no such file or directory"
    )
    assert container["state"]["waiting"] == {"reason": "RunContainerError", "message": why}
    terminated = container["lastState"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (128, "StartError")
    assert container["restartCount"] == 1
    assert ("Failed", f"Error: {why}") in cluster.events("notfound")


async def test_a_missing_image_is_pulled_again_with_back_off(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", pod("web", image="localhost:1/none:v1"))
    await cluster.until(lambda: "message" in waiting_of(cluster, "web"))
    waiting = waiting_of(cluster, "web")
    assert waiting["reason"] == "ErrImagePull"
    assert waiting["message"] == (
        'failed to pull and unpack image "localhost:1/none:v1": failed to resolve image: '
        "failed to do request: "
        'Head "https://localhost:1/v2/none/manifests/v1": dial tcp 127.0.0.1:1: connect: connection refused'
    )
    # A Pod without an image has an address all the same.
    assert cluster.pod("web")["status"]["podIP"]
    await cluster.advance(1)
    waiting = status_of(cluster.pod("web"))["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert ("BackOff", 'Back-off pulling image "localhost:1/none:v1"') in cluster.events("web")

    cluster.api.delete("Pod", "web", "default")
    await cluster.advance(1)
    assert cluster.pods() == []


async def test_a_pod_comes_back_after_a_reboot_of_the_node(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    before = await FakeCluster(tmp_path, state=state).start()
    before.api.create("Pod", pod("web"))
    before.api.create("Pod", pod("once", spec={"restartPolicy": "Never"}))
    await before.advance(2)
    assert before.pod("web")["status"]["phase"] == "Running"
    await before.stop()

    after = await FakeCluster(tmp_path, state=state, clock=before.clock).start()
    await after.advance(1)
    container = status_of(after.pod("web"))
    assert "running" in container["state"]
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["exitCode"] == 255
    assert container["lastState"]["terminated"]["reason"] == "Unknown"
    assert after.pod("once")["status"]["phase"] == "Failed"
    await after.stop()
