"""Running containers: output, exit codes, what a process is given."""

from __future__ import annotations

import docker
import pytest

from tests.deadline import eventually
from tests.engine.conftest import Run, needs


def test_foreground_run_returns_the_output(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", "echo hi", remove=True) == b"hi\n"


def test_output_of_a_program_that_ends_at_once_is_never_lost(client: docker.DockerClient) -> None:
    for number in range(10):
        assert client.containers.run("busybox", ["echo", str(number)], remove=True) == b"%d\n" % number


def test_failing_run_raises_with_its_exit_code_and_stderr(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.ContainerError) as failure:
        client.containers.run("busybox", ["sh", "-c", "echo out; echo why >&2; exit 3"], remove=True)
    assert failure.value.exit_status == 3
    assert failure.value.stderr == b"why\n"


def test_files_can_be_given_away_whoever_runs_the_engine(client: docker.DockerClient) -> None:
    script = "touch /f && chown 1000:1000 /f && chown -h 7 /f && echo done"
    assert client.containers.run("busybox", ["sh", "-c", script], remove=True) == b"done\n"


def test_missing_image_is_reported_as_such(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.ImageNotFound):
        client.containers.create("no-such-image:9", "true")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("nosuchcommand", 127, 'exec: "nosuchcommand": executable file not found in $PATH'),
        ("/nosuch/command", 127, "no such file or directory"),
        ("/etc/passwd", 126, "permission denied"),
        ("/etc", 126, "permission denied"),  # Docker 28 says before: "is a directory"
    ],
)
def test_command_that_cannot_be_executed_leaves_a_created_container(
    client: docker.DockerClient, command: str, code: int, words: str
) -> None:
    container = client.containers.create("busybox", command)
    try:
        with pytest.raises(docker.errors.APIError) as failure:
            container.start()
        assert failure.value.status_code == 400
        assert words in str(failure.value)
        container.reload()
        assert container.status == "created"
        assert container.attrs["State"]["ExitCode"] == code
        assert words in container.attrs["State"]["Error"]
    finally:
        container.remove()


def test_unknown_user_is_a_server_error(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "true", user="nosuch")
    try:
        with pytest.raises(docker.errors.APIError, match="unable to find user nosuch") as failure:
            container.start()
        assert failure.value.status_code == 500
    finally:
        container.remove()


def test_process_gets_environment_hostname_directory_and_user(client: docker.DockerClient) -> None:
    needs(client, "host name")
    out = client.containers.run(
        "busybox",
        ["sh", "-c", 'echo "$A|$HOSTNAME|$(pwd)|$(id -u)|$HOME"; hostname'],
        environment={"A": "1 2"},
        hostname="box",
        working_dir="/made/for/me",
        user="1000",
        remove=True,
    )
    assert out == b"1 2|box|/made/for/me|1000|/\nbox\n"


def test_entrypoint_of_its_own_makes_the_images_command_meaningless(client: docker.DockerClient) -> None:
    out = client.containers.run("busybox", ["a b", "c"], entrypoint=["echo", "-n"], remove=True)
    assert out == b"a b c"


def test_detached_container_goes_through_its_states(run: Run, name: str) -> None:
    container = run("sleep 60", name=name, labels={"tier": "web"})
    container.reload()
    assert container.status == "running"
    assert container.name == name
    assert container.labels["tier"] == "web"
    assert container.attrs["State"]["Pid"] > 0
    assert container.attrs["State"]["FinishedAt"] == "0001-01-01T00:00:00Z"
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.reload()
    assert container.status == "exited"
    assert container.attrs["State"]["Pid"] == 0


def test_auto_remove_leaves_nothing(client: docker.DockerClient, name: str) -> None:
    container = client.containers.run("busybox", "sleep 0.2", name=name, detach=True, auto_remove=True)
    assert container.wait(condition="removed")["StatusCode"] == 0
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(name)


def test_writes_of_a_container_stay_with_it(run: Run, client: docker.DockerClient) -> None:
    container = run(["sh", "-c", "cat /mark 2>/dev/null; echo here > /mark"])
    container.wait()
    container.start()
    container.wait()
    assert container.logs() == b"here\n"
    assert client.containers.run("busybox", "sh -c 'test -e /mark || echo none'", remove=True) == b"none\n"


def test_read_only_root_refuses_writes_but_not_on_its_tmpfs(client: docker.DockerClient) -> None:
    needs(client, "read-only")
    script = "touch /x 2>/dev/null || echo refused; touch /scratch/x && echo written"
    out = client.containers.run(
        "busybox", ["sh", "-c", script], read_only=True, tmpfs={"/scratch": "size=1m"}, remove=True
    )
    assert out == b"refused\nwritten\n"


def test_memory_limit_kills_and_says_so(run: Run) -> None:
    held = "import signal; x = bytearray(300_000_000); signal.pause()"
    container = run(["python", "-c", held], "python:3.12-slim", mem_limit="40m")
    assert container.wait()["StatusCode"] == 137
    container.reload()
    assert container.attrs["State"]["OOMKilled"] is True


def test_restart_policy_retries_and_then_gives_up(run: Run) -> None:
    container = run(["sh", "-c", "exit 1"], restart_policy={"Name": "on-failure", "MaximumRetryCount": 2})

    def given_up() -> bool:
        container.reload()
        return bool(container.status == "exited" and container.attrs["RestartCount"] == 2)

    eventually(given_up, "two restarts, then exited")
    assert container.attrs["State"]["ExitCode"] == 1


def test_container_that_always_restarts_stops_when_told(run: Run) -> None:
    container = run(["sh", "-c", "exit 0"], restart_policy={"Name": "always"})

    def restarted() -> bool:
        container.reload()
        return bool(container.attrs["RestartCount"])

    eventually(restarted, "a restart")
    container.stop(timeout=1)
    container.reload()
    assert container.status == "exited"


def test_health_check_turns_healthy_and_then_unhealthy(run: Run) -> None:
    check = {"test": ["CMD-SHELL", "test -e /ok"], "interval": 200_000_000, "retries": 2}
    container = run(["sh", "-c", "touch /ok; sleep 60"], healthcheck=check)

    def health() -> str:
        container.reload()
        return str(container.attrs["State"]["Health"]["Status"])

    eventually(lambda: health() == "healthy", "healthy")
    container.exec_run("rm /ok")
    eventually(lambda: health() == "unhealthy", "unhealthy")
    log = container.attrs["State"]["Health"]["Log"]
    assert 2 <= len(log) <= 5
    assert log[-1]["ExitCode"] == 1
