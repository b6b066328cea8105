"""READY, STATUS, RESTARTS and AGE of Pods, and other columns, as kubectl prints them."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.kinds import KINDS
from dockyard.cluster.tables import table
from dockyard.cluster.tables.durations import human, seconds_of

NOW = seconds_of("2025-01-01T01:00:00Z")
CREATED = "2025-01-01T00:58:00Z"
RUNNING: dict[str, Any] = {"running": {"startedAt": "2025-01-01T00:58:01Z"}}


def container(
    state: dict[str, Any], *, ready: bool = False, restarts: int = 0, **more: Any
) -> dict[str, Any]:
    return {"name": "main", "state": state, "ready": ready, "restartCount": restarts, **more}


def ended(code: int, reason: str = "", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **more}}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def row(status: dict[str, Any], *, init: tuple[dict[str, Any], ...] = (), deleted: bool = False) -> list[Any]:
    metadata = {"name": "p", "namespace": "default", "creationTimestamp": CREATED}
    if deleted:
        metadata["deletionTimestamp"] = "2025-01-01T01:00:30Z"
    spec: dict[str, Any] = {"containers": [{"name": "main"}], "initContainers": list(init)}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}
    cells: list[Any] = table(KINDS["Pod"], [pod], NOW, "1", "None")["rows"][0]["cells"]
    return cells[1:4]


@pytest.mark.parametrize(
    ("phase", "state", "shown"),
    [
        ("Running", container(RUNNING, ready=True), ["1/1", "Running", "0"]),
        ("Running", container(RUNNING), ["0/1", "Running", "0"]),
        ("Running", container(waiting("CrashLoopBackOff"), restarts=3), ["0/1", "CrashLoopBackOff", "3"]),
        ("Pending", container(waiting("ContainerCreating")), ["0/1", "ContainerCreating", "0"]),
        ("Pending", container(waiting("ImagePullBackOff")), ["0/1", "ImagePullBackOff", "0"]),
        ("Running", container(ended(1, "Error")), ["0/1", "Error", "0"]),
        ("Running", container(ended(137, "OOMKilled")), ["0/1", "OOMKilled", "0"]),
        ("Succeeded", container(ended(0, "Completed")), ["0/1", "Completed", "0"]),
        ("Failed", container(ended(3)), ["0/1", "ExitCode:3", "0"]),
        ("Failed", container(ended(137, signal=9)), ["0/1", "Signal:9", "0"]),
    ],
)
def test_pod_is_shown_by_its_containers_state(phase: str, state: dict[str, Any], shown: list[str]) -> None:
    assert row({"phase": phase, "containerStatuses": [state]}) == shown


def test_restarts_say_when_the_last_one_was() -> None:
    last = ended(1, "Error", finishedAt="2025-01-01T00:59:55Z")
    state = container(RUNNING, ready=True, restarts=1, lastState=last)
    assert row({"phase": "Running", "containerStatuses": [state]}) == ["1/1", "Running", "1 (5s ago)"]


def test_pod_without_any_status_shows_its_phase_or_reason() -> None:
    assert row({"phase": "Pending"}) == ["0/1", "Pending", "0"]
    assert row({"phase": "Failed", "reason": "Evicted"}) == ["0/1", "Evicted", "0"]


def test_deleted_pod_is_terminating_until_it_has_ended() -> None:
    status = {"phase": "Running", "containerStatuses": [container(RUNNING, ready=True)]}
    assert row(status, deleted=True) == ["1/1", "Terminating", "0"]
    assert row({"phase": "Succeeded"}, deleted=True) == ["0/1", "Succeeded", "0"]


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ([RUNNING, waiting("PodInitializing")], "Init:0/2"),
        ([ended(0, "Completed"), RUNNING], "Init:1/2"),
        ([ended(1, "Error"), waiting("PodInitializing")], "Init:Error"),
        ([ended(2), waiting("PodInitializing")], "Init:ExitCode:2"),
        ([waiting("CrashLoopBackOff"), waiting("PodInitializing")], "Init:CrashLoopBackOff"),
    ],
)
def test_init_containers_show_how_far_they_are(states: list[dict[str, Any]], shown: str) -> None:
    init = ({"name": "a"}, {"name": "b"})
    statuses = [{**container(state), "name": spec["name"]} for spec, state in zip(init, states, strict=True)]
    status = {
        "phase": "Pending",
        "initContainerStatuses": statuses,
        "containerStatuses": [container(waiting("PodInitializing"))],
    }
    assert row(status, init=init)[1] == shown


def test_sidecar_counts_as_a_container() -> None:
    sidecar = {**container(RUNNING, ready=True, started=True), "name": "side"}
    status = {
        "phase": "Running",
        "initContainerStatuses": [sidecar],
        "containerStatuses": [container(RUNNING, ready=True)],
        "conditions": [{"type": "Initialized", "status": "True"}],
    }
    assert row(status, init=({"name": "side", "restartPolicy": "Always"},))[0] == "2/2"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (600, "10m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (7 * 3600 + 300, "7h5m"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (9 * 86400, "9d"),
        (800 * 86400, "2y70d"),
        (3000 * 86400, "8y"),
    ],
)
def test_ages_get_coarser(seconds: float, text: str) -> None:
    assert human(seconds) == text
