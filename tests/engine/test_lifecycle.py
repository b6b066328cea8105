"""Stopping, killing, pausing, renaming, removing and finding containers."""

from __future__ import annotations

import docker
import pytest

from tests.deadline import eventually
from tests.engine.conftest import Run

TRAP = ["sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done"]


def say(container: docker.models.containers.Container, text: bytes) -> None:
    eventually(lambda: text in container.logs(), f"{text!r} in the log")


def test_stop_asks_first(run: Run) -> None:
    container = run(TRAP)
    say(container, b"up")
    container.stop(timeout=30)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 7
    assert container.logs() == b"up\nbye\n"


def test_stop_kills_what_does_not_listen(run: Run) -> None:
    # It has to ignore the signal itself: only where it is PID 1 does the kernel ignore it for a `sleep`.
    container = run(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"])
    say(container, b"up")
    container.stop(timeout=0)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 137


def test_stop_uses_the_containers_own_signal(run: Run) -> None:
    script = "trap 'exit 9' USR1; echo up; while :; do sleep 0.1; done"
    container = run(["sh", "-c", script], stop_signal="SIGUSR1")
    say(container, b"up")
    container.stop(timeout=30)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 9


def test_stopped_container_starts_again_and_a_running_one_is_left_alone(run: Run) -> None:
    container = run("sleep 60")
    container.start()
    container.stop(timeout=0)
    container.stop(timeout=0)
    container.start()
    container.reload()
    assert container.status == "running"
    container.restart(timeout=0)
    container.reload()
    assert container.status == "running"


def test_killing_what_does_not_run_is_a_conflict(run: Run) -> None:
    container = run("true")
    container.wait()
    with pytest.raises(docker.errors.APIError, match="is not running") as failure:
        container.kill()
    assert failure.value.status_code == 409


def test_signal_reaches_the_process(run: Run) -> None:
    container = run(["sh", "-c", "trap 'echo got; exit 0' HUP; echo up; while :; do sleep 0.1; done"])
    say(container, b"up")
    container.kill(signal="HUP")
    assert container.wait()["StatusCode"] == 0
    assert container.logs() == b"up\ngot\n"


def test_paused_container_stands_still(run: Run) -> None:
    container = run(["sh", "-c", "while :; do echo x; sleep 0.05; done"])
    say(container, b"x")
    container.pause()
    container.reload()
    assert container.status == "paused"
    before = len(container.logs())
    assert len(container.logs()) - before <= 2
    container.unpause()
    eventually(lambda: len(container.logs()) > before + 10, "it goes on")


def test_removing_a_running_container_needs_force(run: Run, client: docker.DockerClient) -> None:
    container = run("sleep 60")
    with pytest.raises(docker.errors.APIError) as failure:
        container.remove()
    assert failure.value.status_code == 409
    container.remove(force=True)
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(container.id)


def test_name_is_taken_once_and_can_change(run: Run, client: docker.DockerClient, name: str) -> None:
    container = run("sleep 60", name=name)
    with pytest.raises(docker.errors.APIError, match="is already in use by container") as failure:
        client.containers.create("busybox", name=name)
    assert failure.value.status_code == 409
    container.rename(f"{name}-new")
    assert client.containers.get(f"{name}-new").id == container.id
    with pytest.raises(docker.errors.APIError, match="Invalid container name"):
        client.containers.create("busybox", name="bad name")


def test_container_is_found_by_the_beginning_of_its_id(run: Run, client: docker.DockerClient) -> None:
    container = run("sleep 60")
    assert client.containers.get(container.id[:10]).id == container.id


def test_list_is_filtered(run: Run, client: docker.DockerClient, name: str) -> None:
    web = run("sleep 60", name=f"{name}-web", labels={name: "web"})
    job = run(["sh", "-c", "exit 4"], name=f"{name}-job", labels={name: "job"})
    job.wait()

    def names(**options: object) -> list[str]:
        return sorted(c.name.removeprefix(f"{name}-") for c in client.containers.list(**options))

    # The real engine's list lags a little behind its wait.
    eventually(lambda: names(filters={"label": name}) == ["web"], "only the running one is listed")
    assert names(all=True, filters={"label": name}) == ["job", "web"]
    assert names(all=True, filters={"label": f"{name}=job"}) == ["job"]
    assert names(filters={"label": name, "status": "exited"}) == ["job"]
    assert names(all=True, filters={"label": name, "exited": 4}) == ["job"]
    assert names(filters={"name": f"^/{name}-w"}) == ["web"]
    assert names(all=True, filters={"label": name, "before": job.id}) == ["web"]
    assert names(filters={"label": name, "ancestor": "busybox"}) == ["web"]
    assert names(filters={"label": name, "ancestor": "python:3.12-slim"}) == []
    assert web.id in [c["Id"] for c in client.api.containers(filters={"id": [web.id[:12]]})]


def test_top_and_stats_show_the_processes(run: Run) -> None:
    container = run(["sh", "-c", "sleep 61 & sleep 62"])

    def commands() -> set[str]:
        top = container.top()
        return {row[top["Titles"].index("CMD")] for row in top["Processes"]}

    eventually(lambda: {"sleep 61", "sleep 62"} <= commands(), "both sleeps in top")
    stats = container.stats(stream=False)
    assert stats["pids_stats"]["current"] >= 2
    assert stats["memory_stats"]["usage"] > 0


def test_events_tell_the_story_of_a_container(run: Run, client: docker.DockerClient) -> None:
    container = run("true")
    container.wait()
    container.remove()
    seen: list[str] = []
    for event in client.events(
        decode=True, since=1, filters={"container": container.id, "type": "container"}
    ):
        seen.append(event["Action"])
        if event["Action"] == "destroy":
            break
    assert [action for action in seen if action != "attach"] == ["create", "start", "die", "destroy"]
