"""Waiting for containers, watching them together, restarting and probing them: what happens when."""

from __future__ import annotations

import datetime
import itertools
import json
import socket
import uuid
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.deadline import eventually
from tests.engine.conftest import Run
from tests.engine.test_streams import everything, unframe


def waits(docker_host: str, container: Container, condition: str) -> socket.socket:
    """Begin to wait; returns once the engine has said so."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(docker_host.removeprefix("unix://"))
    path = f"/containers/{container.id}/wait?condition={condition}"
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 200")
    return connection


def answer(connection: socket.socket) -> int:
    """The exit code that a wait ended with."""
    with connection:
        data = b""
        while b"}" not in data:
            data += connection.recv(4096)
    return int(json.loads(data[data.index(b"{") : data.rindex(b"}") + 1])["StatusCode"])


def hang_up(connection: Any) -> None:
    """Close a hijacked connection."""
    raw = connection._sock
    connection.close()
    raw.close()


def test_wait_for_what_does_not_run_ends_at_once_but_not_for_its_next_exit(
    run: Run, docker_host: str
) -> None:
    container = run(["sh", "-c", "exit 3"])
    assert container.wait()["StatusCode"] == 3
    assert answer(waits(docker_host, container, "not-running")) == 3
    next_exit = waits(docker_host, container, "next-exit")
    next_exit.settimeout(0.2)
    with pytest.raises(TimeoutError):
        next_exit.recv(1)
    next_exit.settimeout(30)
    container.start()
    assert answer(next_exit) == 3


def test_wait_for_removal_outlives_exits(client: docker.DockerClient, docker_host: str) -> None:
    container = client.containers.create("busybox", ["sh", "-c", "exit 4"])
    removed = waits(docker_host, container, "removed")
    container.start()
    assert container.wait()["StatusCode"] == 4
    container.remove()
    assert answer(removed) == 4


def test_unknown_condition_is_refused(run: Run) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        run("true").wait(condition="bogus")
    assert failure.value.status_code == 400
    assert failure.value.explanation == 'invalid condition: "bogus"'


def test_all_who_are_attached_see_the_same_and_one_who_leaves_disturbs_nobody(
    client: docker.DockerClient, run: Run
) -> None:
    container = run(["sh", "-c", "while read line; do echo $line; done"], stdin_open=True)
    watch = {"stdout": 1, "stderr": 1, "stream": 1}
    first, second = (client.api.attach_socket(container.id, params=watch) for _ in range(2))
    leaver = client.api.attach_socket(container.id, params={**watch, "stdin": 1})
    leaver._sock.sendall(b"one\n")
    eventually(lambda: container.logs() == b"one\n", "the first line")
    hang_up(leaver)
    writer = client.api.attach_socket(container.id, params={"stdin": 1, "stream": 1})
    writer._sock.sendall(b"two\n")
    eventually(lambda: container.logs() == b"one\ntwo\n", "the second line")
    hang_up(writer)
    container.kill()
    assert unframe(everything(first)) == unframe(everything(second)) == {1: b"one\ntwo\n"}


def test_attach_to_what_has_ended_ends_when_it_ends_again(client: docker.DockerClient, run: Run) -> None:
    container = run("echo said")
    container.wait()
    connection = client.api.attach_socket(container.id, params={"stdout": 1, "stream": 1})
    container.start()
    assert unframe(everything(connection)) == {1: b"said\n"}


def test_logs_of_the_past_can_be_had_by_attaching(run: Run) -> None:
    container = run(["sh", "-c", "echo one; echo two >&2"])
    container.wait()
    # docker-py loses what comes so soon that it is read along with the head: on a busy machine, ask again.
    past = eventually(lambda: container.attach(logs=True, stream=False), "its past")
    assert sorted(past.splitlines()) == [b"one", b"two"]


def restarts(client: docker.DockerClient, container: Container) -> list[float]:
    """When a container started, in seconds."""
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    told = client.events(
        since=now - 600, until=now + 1, decode=True, filters={"container": container.id, "event": "start"}
    )
    return [event["timeNano"] / 1e9 for event in told]


def test_restarts_back_off_by_doubling(client: docker.DockerClient, run: Run) -> None:
    policy = {"Name": "on-failure", "MaximumRetryCount": 4}
    container = run(["sh", "-c", "exit 1"], restart_policy=policy)

    def given_up() -> bool:
        container.reload()
        return bool(container.status == "exited" and container.attrs["RestartCount"] == 4)

    eventually(given_up, "four restarts")
    moments = restarts(client, container)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert len(gaps) == 4
    # moby's restartmanager: 100 ms, doubled each time. How long a run takes comes on top.
    for gap, delay in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert gap >= delay
    assert gaps[3] > gaps[0]


def test_restart_policy_can_be_changed_while_it_runs(run: Run) -> None:
    container = run("sleep 600", restart_policy={"Name": "no"})
    container.update(restart_policy={"Name": "on-failure", "MaximumRetryCount": 3})
    container.reload()
    assert container.attrs["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    container.exec_run(["sh", "-c", "kill -9 1"])  # nothing: PID 1 is immune to its own namespace
    container.kill("SIGKILL")  # by hand: no policy brings it back
    assert container.wait()["StatusCode"] == 137
    container.reload()
    assert container.status == "exited"


def test_container_that_stops_by_hand_stays_stopped(run: Run) -> None:
    container = run("sleep 600", restart_policy={"Name": "unless-stopped"})
    container.stop(timeout=0)
    container.reload()
    assert container.status == "exited"
    assert container.attrs["RestartCount"] == 0


def test_prune_removes_what_has_ended_and_fits(client: docker.DockerClient, run: Run) -> None:
    label = f"prune-{uuid.uuid4().hex}"
    ended, running, other = (
        run("true", labels=[label]), run("sleep 600", labels=[label]), run("true", labels=["other"]),
    )  # fmt: skip
    ended.wait()
    other.wait()
    report = client.containers.prune(filters={"label": label})
    assert report["ContainersDeleted"] == [ended.id]
    assert report["SpaceReclaimed"] >= 0
    running.reload()
    other.reload()
    assert client.containers.prune(filters={"label": label})["ContainersDeleted"] is None
    with pytest.raises(docker.errors.APIError, match="invalid filter 'bogus'"):
        client.containers.prune(filters={"bogus": "1"})


def health(container: Container) -> dict[str, Any]:
    """State.Health."""
    container.reload()
    found: dict[str, Any] = container.attrs["State"]["Health"]
    return found


def test_failures_in_the_start_period_do_not_count_and_the_first_success_ends_it(run: Run) -> None:
    check = {
        "test": ["CMD-SHELL", "test -e /ok || { echo not yet; exit 1; }"],
        "interval": 100_000_000, "start_period": 600_000_000_000, "start_interval": 100_000_000, "retries": 1,
    }  # fmt: skip
    container = run("sleep 600", healthcheck=check)
    # docker-py drops StartInterval, so that the first probe comes after the default of five seconds.
    eventually(lambda: health(container)["Log"], "the first probe")
    found = health(container)
    assert found["Status"] == "starting"
    assert found["Log"][0]["Output"] == "not yet\n"
    assert found["Log"][0]["ExitCode"] == 1
    container.exec_run("touch /ok")
    eventually(lambda: health(container)["Status"] == "healthy", "healthy")
    container.exec_run("rm /ok")
    eventually(lambda: health(container)["Status"] == "unhealthy", "unhealthy, as the period is over")
    assert len(health(container)["Log"]) <= 5


def test_probe_that_takes_too_long_fails(run: Run) -> None:
    check = {"test": ["CMD", "sleep", "60"], "interval": 100_000_000, "timeout": 300_000_000, "retries": 1}
    container = run("sleep 600", healthcheck=check)
    eventually(lambda: health(container)["Status"] == "unhealthy", "unhealthy")
    newest = health(container)["Log"][-1]
    assert newest["ExitCode"] == -1
    assert newest["Output"] == "Health check exceeded timeout (300ms)"
