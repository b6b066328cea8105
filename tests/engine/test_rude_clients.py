"""Clients that do not read, or go away in the middle: nobody else notices, and nothing stays behind."""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path

import docker
import pytest

from tests.deadline import eventually
from tests.engine.conftest import Run

MEGABYTE = 1 << 20


def connect(docker_host: str) -> socket.socket:
    """A connection of our own to the engine."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(docker_host.removeprefix("unix://"))
    return connection


def ask(docker_host: str, line: str, body: str = "") -> socket.socket:
    """Send a request; the answer is left in the connection."""
    connection = connect(docker_host)
    head = f"{line} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    upgrade = "\r\nConnection: Upgrade\r\nUpgrade: tcp" if "attach" in line or "exec" in line else ""
    connection.sendall(f"{head}{upgrade}\r\n\r\n{body}".encode())
    return connection


def read_some(connection: socket.socket) -> None:
    """Wait for the first bytes of an answer."""
    assert connection.recv(100).startswith(b"HTTP/1.1 ")


@pytest.fixture
def engine_pid(docker_host: str, request: pytest.FixtureRequest) -> int:
    """The process of our engine."""
    if "real" in request.node.name:
        pytest.skip("what happens inside a real engine is its own matter")
    with connect(docker_host) as connection:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def resident(pid: int) -> int:
    """Bytes of memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """Open files and sockets."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_streams_whose_clients_go_away_leave_no_descriptor(
    client: docker.DockerClient, run: Run, docker_host: str, engine_pid: int
) -> None:
    container = run(["sh", "-c", "while :; do echo tick; sleep 0.05; done"])
    quiet = run("sleep 600")
    place = f"/containers/{container.id}"

    def leave_all() -> None:
        execution = client.api.exec_create(container.id, ["sh", "-c", "echo x; sleep 0.2"])["Id"]
        for line, body in (
            (f"GET {place}/logs?stdout=1&follow=1", ""),
            (f"GET /containers/{quiet.id}/logs?stdout=1&follow=1", ""),
            (f"GET {place}/stats", ""),
            ("GET /events", ""),
            (f"POST {place}/attach?stream=1&stdout=1&stderr=1", ""),
            (f"POST /containers/{quiet.id}/attach?stream=1&stdin=1&stdout=1", ""),
            (f"POST {place}/wait", ""),
            (f"GET {place}/export", ""),
            (f"POST /exec/{execution}/start", '{"Detach": false}'),
        ):
            with ask(docker_host, line, body) as connection:
                read_some(connection)

    leave_all()
    eventually(lambda: not container.client.api.inspect_container(container.id)["ExecIDs"], "the exec's end")
    before = descriptors(engine_pid)
    for _ in range(5):
        leave_all()
    # Five rounds would leave five of whatever leaks; the engine's own threads open and close a file or two.
    eventually(lambda: descriptors(engine_pid) <= before + 4, "as many descriptors as before")
    assert container.exec_run("echo alive").output == b"alive\n"


@pytest.mark.parametrize("path", ["logs?stdout=1&follow=1", "attach?stream=1&stdout=1"])
def test_client_that_never_reads_costs_no_memory(
    run: Run, docker_host: str, engine_pid: int, path: str
) -> None:
    script = "import sys\nsys.stdin.readline()\nfor n in range(150_000): print('x' * 400)\nprint('end')"
    container = run(["python", "-c", script], "python:3.12-slim", stdin_open=True)
    method = "GET" if path.startswith("logs") else "POST"
    before = resident(engine_pid)
    with ask(docker_host, f"{method} /containers/{container.id}/{path}") as deaf:
        read_some(deaf)
        with ask(docker_host, f"POST /containers/{container.id}/attach?stream=1&stdin=1") as starter:
            read_some(starter)
            starter.sendall(b"go\n")
        # Attached, he stops the program, as upstream's would; the log goes on without him.
        eventually(lambda: container.logs(tail=1) != b"", "the first lines")
        if method == "GET":
            eventually(lambda: container.logs(tail=1) == b"end\n", "the program's end")
        assert resident(engine_pid) - before < 40 * MEGABYTE
    eventually(lambda: container.logs(tail=1) == b"end\n", "its end, once he has left")


def test_exec_whose_client_never_reads_waits_and_the_container_does_not(
    client: docker.DockerClient, run: Run, docker_host: str, engine_pid: int
) -> None:
    container = run("sleep 600")
    command = ["sh", "-c", "head -c 300000000 /dev/zero; touch /done"]
    identifier = client.api.exec_create(container.id, command)["Id"]
    before = resident(engine_pid)
    with ask(docker_host, f"POST /exec/{identifier}/start", '{"Detach": false}') as deaf:
        read_some(deaf)
        # The engine waits a moment for the rest of the head to be read, and then begins.
        eventually(lambda: client.api.exec_inspect(identifier)["Running"], "the exec's start")
        for _ in range(10):
            assert container.exec_run("echo alive").output == b"alive\n"
        assert client.api.exec_inspect(identifier)["Running"]
        assert resident(engine_pid) - before < 40 * MEGABYTE
    eventually(lambda: container.exec_run("ls /done").exit_code == 0, "its end, once he has left")


def test_ten_thousand_lines_at_once_reach_a_follower_whole_and_others_are_served(
    client: docker.DockerClient, run: Run
) -> None:
    script = "for b in range(5):\n print(*(f'{b}-{n}' for n in range(10_000)), sep='\\n', flush=True)"
    container = run(["python", "-c", script], "python:3.12-slim")
    received: list[bytes] = []
    follower = threading.Thread(target=lambda: received.extend(container.logs(stream=True, follow=True)))
    follower.start()
    while follower.is_alive():
        assert client.ping()
        follower.join(0.05)
    assert b"".join(received).splitlines() == [
        f"{batch}-{number}".encode() for batch in range(5) for number in range(10_000)
    ]


def test_name_of_three_hundred_characters_is_a_name(client: docker.DockerClient, name: str) -> None:
    long = f"{name}-{'x' * 300}"
    container = client.containers.create("busybox", "echo named", name=long)
    try:
        assert client.containers.get(long).name == long
        container.start()
        assert container.wait()["StatusCode"] == 0
        assert container.logs() == b"named\n"
    finally:
        container.remove(force=True)


def test_upload_that_breaks_off_changes_nothing(
    client: docker.DockerClient, run: Run, docker_host: str
) -> None:
    container = run("sleep 600")
    with connect(docker_host) as connection:
        head = f"PUT /containers/{container.id}/archive?path=/srv HTTP/1.1\r\nHost: docker"
        connection.sendall(f"{head}\r\nContent-Length: 1000000\r\n\r\n".encode() + b"x" * 5000)
    assert container.exec_run("ls -A /srv").output == b""
    assert client.ping()
