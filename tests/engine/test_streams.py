"""Logs, attach and exec: every byte, on the right stream, in both directions."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import docker
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, TextMessage
from wsproto.events import Request as Handshake

from tests.deadline import eventually
from tests.engine.conftest import Run

BOTH = ["sh", "-c", "echo one; echo two >&2; echo three"]


def everything(connection: Any) -> bytes:
    """Read to the end of a hijacked connection."""
    raw = getattr(connection, "_sock", connection)
    raw.settimeout(20)
    data = b""
    while piece := raw.recv(65536):
        data += piece
    connection.close()
    raw.close()
    return data


def unframe(data: bytes) -> dict[int, bytes]:
    """Split multiplexed frames by stream."""
    streams: dict[int, bytes] = {}
    while data:
        stream, size = data[0], int.from_bytes(data[4:8], "big")
        streams[stream] = streams.get(stream, b"") + data[8 : 8 + size]
        data = data[8 + size :]
    return streams


def test_logs_keep_the_streams_apart(run: Run) -> None:
    container = run(BOTH)
    container.wait()
    assert container.logs(stdout=True, stderr=False) == b"one\nthree\n"
    assert container.logs(stdout=False, stderr=True) == b"two\n"
    assert container.logs(tail=1) in (b"three\n", b"two\n")
    assert container.logs(tail=0) == b""


def test_log_lines_are_stamped_on_demand_and_cut_by_time(run: Run) -> None:
    container = run("echo stamped")
    container.wait()
    line = container.logs(timestamps=True).decode()
    stamp, _, rest = line.partition(" ")
    assert rest == "stamped\n"
    assert stamp[10] == "T"
    assert stamp.endswith("Z")
    assert container.logs(since=int(time.time()) + 3600) == b""
    assert container.logs(until=int(time.time()) - 3600) == b""


def test_followed_log_of_a_quiet_container_waits_for_its_lines(run: Run) -> None:
    container = run(["sh", "-c", "sleep 0.5; echo late; sleep 0.2; echo later"])
    assert list(container.logs(stream=True, follow=True)) == [b"late\n", b"later\n"]


def test_attach_before_the_start_sees_everything_and_carries_input(client: docker.DockerClient) -> None:
    options = client.api.create_container(
        "busybox", ["sh", "-c", "echo ready; cat; echo end >&2"], stdin_open=True
    )
    container = client.containers.get(options["Id"])
    try:
        connection = client.api.attach_socket(
            container.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        )
        raw = connection._sock
        container.start()
        raw.sendall(b"to cat\n")
        raw.shutdown(socket.SHUT_WR)
        if not container.attrs["Config"]["StdinOnce"]:
            # Without StdinOnce the input stays open for the next client, and cat with it.
            eventually(lambda: b"to cat" in container.logs(), "cat's echo")
            container.kill()
        streams = unframe(everything(connection))
        assert streams[1] == b"ready\nto cat\n"
    finally:
        container.remove(force=True)


def test_end_of_input_reaches_the_program_when_stdin_is_given_once(client: docker.DockerClient) -> None:
    body = client.api.create_container_config("busybox", ["sh", "-c", "cat; echo end >&2"], stdin_open=True)
    body["StdinOnce"] = True
    identifier = client.api.create_container_from_config(body)["Id"]
    container = client.containers.get(identifier)
    try:
        connection = client.api.attach_socket(
            identifier, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        )
        container.start()
        connection._sock.sendall(b"all of it\n")
        connection._sock.shutdown(socket.SHUT_WR)
        assert unframe(everything(connection)) == {1: b"all of it\n", 2: b"end\n"}
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)


def test_terminal_is_one_raw_stream(run: Run) -> None:
    container = run(["sh", "-c", "echo out; echo err >&2; test -t 0 && echo tty"], tty=True)
    container.wait()
    assert container.logs() == b"out\r\nerr\r\ntty\r\n"


def test_much_output_arrives_whole(client: docker.DockerClient) -> None:
    script = "import sys; [sys.stdout.write(f'{n:07}\\n') for n in range(200_000)]"
    out = client.containers.run("python:3.12-slim", ["python", "-c", script], remove=True)
    assert out == b"".join(b"%07d\n" % number for number in range(200_000))


def test_exec_returns_output_exit_code_and_streams(run: Run) -> None:
    container = run("sleep 60", environment={"A": "1"}, working_dir="/srv")
    result = container.exec_run(
        ["sh", "-c", "echo $A $B; pwd; echo err >&2; exit 7"], environment={"B": "2"}, demux=True
    )
    assert result.exit_code == 7
    assert result.output == (b"1 2\n/srv\n", b"err\n")
    assert container.exec_run("pwd", workdir="/etc").output == b"/etc\n"


def test_exec_runs_as_another_user(run: Run, request: pytest.FixtureRequest) -> None:
    if os.geteuid() and "embedded" in request.node.name:
        pytest.skip("without root there is one user id in a container: the one it was started with")
    assert run("sleep 60").exec_run("id -u", user="1000").output == b"1000\n"


def test_exec_that_cannot_start_says_so_on_its_stream(run: Run) -> None:
    container = run("sleep 60")
    result = container.exec_run("nosuchcommand")
    assert result.exit_code in (126, 127)  # 127 as of Docker 24, 126 before
    assert b'exec: "nosuchcommand": executable file not found in $PATH' in result.output
    assert result.output.endswith(b"\r\n")


def test_exec_carries_input_and_its_end(run: Run, client: docker.DockerClient) -> None:
    container = run("sleep 60")
    identifier = client.api.exec_create(container.id, ["sh", "-c", "cat; exit 3"], stdin=True)["Id"]
    connection = client.api.exec_start(identifier, socket=True)
    connection._sock.sendall(b"line\n")
    connection._sock.shutdown(socket.SHUT_WR)
    assert unframe(everything(connection)) == {1: b"line\n"}
    assert client.api.exec_inspect(identifier)["ExitCode"] == 3


def test_exec_terminal_has_the_size_that_it_was_given(run: Run, client: docker.DockerClient) -> None:
    container = run("sleep 60", "python:3.12-slim")
    script = "import os, time\nwhile os.get_terminal_size() != (101, 33): time.sleep(0.01)\nprint('sized')"
    identifier = client.api.exec_create(container.id, ["python", "-c", script], tty=True)["Id"]
    connection = client.api.exec_start(identifier, tty=True, socket=True)

    def resized() -> bool:
        try:
            client.api.exec_resize(identifier, height=33, width=101)
        except docker.errors.APIError:
            return False  # it has not started yet
        return True

    eventually(resized, "the terminal takes a size")
    assert everything(connection) == b"sized\r\n"


def test_exec_needs_a_running_container(run: Run) -> None:
    container = run("true")
    container.wait()
    with pytest.raises(docker.errors.APIError, match="is not running") as failure:
        container.exec_run("true")
    assert failure.value.status_code == 409


def test_detached_exec_goes_on_by_itself(run: Run) -> None:
    container = run("sleep 60")
    container.exec_run(["sh", "-c", "echo done > /flag"], detach=True)
    eventually(lambda: container.exec_run("cat /flag").output == b"done\n", "the flag")


def test_websocket_carries_both_directions(run: Run, docker_host: str) -> None:
    container = run(
        ["sh", "-c", "echo ready; read line; echo got $line; echo e >&2; read more"], stdin_open=True
    )
    eventually(lambda: b"ready" in container.logs(), "its first words")
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(docker_host.removeprefix("unix://"))
    frames = WSConnection(ConnectionType.CLIENT)
    path = f"/containers/{container.id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1"
    # A real engine believes no other origin than the server's.
    request = Handshake("docker", path, extra_headers=[(b"Origin", b"http://docker")])
    connection.sendall(frames.send(request))
    received = b""
    sent = False
    connection.settimeout(20)
    while b"got it" not in received or b"e\n" not in received:
        frames.receive_data(connection.recv(4096))
        for event in frames.events():
            if isinstance(event, BytesMessage | TextMessage):
                received += event.data.encode() if isinstance(event.data, str) else event.data
        if not sent:
            connection.sendall(frames.send(BytesMessage(b"it\n")))
            sent = True
    connection.close()
    container.reload()
    assert container.status == "running"
