"""Clients that go away, listen in crowds, or send nonsense: they get an answer, and the engine goes on."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections.abc import Iterator

import docker
import pytest

from tests.deadline import eventually
from tests.engine.conftest import Run
from tests.engine.test_system import ask

LISTENERS = 1000


def connect(url: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(30)
    made.connect(url.removeprefix("unix://"))
    return made


def lines(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for a socket a listener."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LISTENERS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no more than {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def listening(url: str) -> int:
    return int(json.loads(ask(url, "GET", "/info")[2])["NEventsListener"])


@pytest.mark.usefixtures("many_files")
def test_a_thousand_listeners_hear_of_an_event_and_are_forgotten_when_they_go(embedded_engine: str) -> None:
    before = listening(embedded_engine)
    listeners = []
    try:
        for _ in range(LISTENERS):
            listener = connect(embedded_engine)
            listener.sendall(lines(b"GET /events?filters={%22type%22:[%22volume%22]} HTTP/1.1\nHost: e\n\n"))
            listeners.append(listener)
        eventually(lambda: listening(embedded_engine) == before + LISTENERS, "everybody listens")
        ask(embedded_engine, "POST", "/volumes/create", '{"Name": "heard-by-all"}')
        for listener in listeners:
            heard = b""
            while b"heard-by-all" not in heard:
                piece = listener.recv(65536)
                assert piece, heard
                heard += piece
    finally:
        for listener in listeners:
            listener.close()
        ask(embedded_engine, "DELETE", "/volumes/heard-by-all")
    eventually(lambda: listening(embedded_engine) == before, "nobody listens")


@pytest.mark.parametrize("path", ["logs?follow=1&stdout=1", "stats", "attach?stream=1&stdout=1"])
def test_client_that_goes_away_in_a_stream_does_no_harm(
    docker_host: str, client: docker.DockerClient, run: Run, path: str
) -> None:
    container = run(["sh", "-c", "while :; do echo tick; sleep 0.05; done"])
    method = "POST" if path.startswith("attach") else "GET"
    for _ in range(5):
        gone = connect(docker_host)
        gone.sendall(lines(f"{method} /containers/{container.id}/{path} HTTP/1.1\nHost: e\n\n".encode()))
        assert gone.recv(10)
        gone.close()
    container.reload()
    assert container.status == "running"
    assert container.exec_run("echo fine").output == b"fine\n"


def test_client_that_goes_away_while_it_waits_does_no_harm(docker_host: str, run: Run) -> None:
    container = run("sleep 600")
    for _ in range(5):
        gone = connect(docker_host)
        gone.sendall(lines(f"POST /containers/{container.id}/wait HTTP/1.1\nHost: e\n\n".encode()))
        gone.close()
    done: list[int] = []
    waiting = threading.Thread(target=lambda: done.append(container.wait()["StatusCode"]))
    waiting.start()
    container.kill()
    waiting.join(timeout=30)
    assert done == [137]


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type"),
    [
        ("GET", "/containers/json?filters=" + "x" * 60_000, None, None),
        ("GET", "/containers/json?limit=-99999999999999999999999999", None, None),
        ("GET", "/containers/json?limit=1e9", None, None),
        ("GET", "/containers/%00/json", None, None),
        ("GET", "/containers/" + "a" * 5000 + "/json", None, None),
        ("GET", "/events?since=-1&until=-2", None, None),
        ("GET", "/events?since=1&until=99999999999999999999999&filters={}x", None, None),
        ("GET", '/events?until=1&filters={"type":{"container":"yes"}}', None, None),
        ("GET", "/images/json?filters=[]", None, None),
        ("GET", '/images/json?filters={"dangling":["maybe"]}', None, None),
        ("POST", "/containers/create", "{" * 20_000, "application/json"),
        ("POST", "/containers/create", '{"Image": ["busybox"]}', "application/json"),
        ("POST", "/containers/create", '{"Image": "busybox", "HostConfig": []}', "application/json"),
        ("POST", "/containers/create", '{"Image": "busybox", "Env": "A=1"}', "application/json"),
        ("POST", "/containers/create", '{"Image": "busybox"}', "text/plain"),
        ("POST", "/containers/create", "\ud83d\ude00", "application/json"),
        ("POST", "/containers/create?name=" + "n" * 300 + "%0a", '{"Image": "busybox"}', "application/json"),
        ("POST", "/networks/create", '{"Name": 5}', "application/json"),
        ("POST", "/volumes/create", '{"Name": {}}', "application/json"),
        ("POST", "/containers/prune?filters={%22until%22:[%22yesterday-ish%22]}", None, None),
        ("POST", "/build?memory=-1&buildargs=[]", "no tar", "application/x-tar"),
        ("POST", "/auth", "[]", "application/json"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_nonsense_is_refused_with_a_message(
    embedded_engine: str, method: str, path: str, body: str | None, content_type: str | None
) -> None:
    sent = None if body is None else body.encode("utf-8", "surrogatepass").decode("latin-1")
    status, _, answer = ask(embedded_engine, method, path.replace('"', "%22"), sent, content_type)
    assert 400 <= status < 600, answer
    # What is wrong as HTTP already is refused in plain words.
    message = json.loads(answer)["message"] if answer.startswith(b"{") else answer.decode()
    assert message
    assert "internal mistake" not in message
    assert "Traceback" not in message
