"""The control API, through its client."""

from __future__ import annotations

import http.client
import json
import socket

import pytest

from dockyard.backends.control import Control
from dockyard.errors import EXIT_NOT_RUNNING, UserError
from tests.cli.conftest import CommandLine
from tests.deadline import eventually


def test_client_says_that_nothing_runs(cli: CommandLine) -> None:
    with pytest.raises(UserError) as refused:
        Control(cli.home).get("/status")
    assert refused.value.code == EXIT_NOT_RUNNING


def test_wrong_requests_are_refused_with_a_reason(cli: CommandLine) -> None:
    cli.json("up")
    control = Control(cli.home)
    with pytest.raises(UserError, match="no such endpoint"):
        control.get("/nonsense")
    with pytest.raises(UserError, match="no fault"):
        control.post("/faults", {"action": "explode", "namespace": "default", "selector": "app=x"})
    with pytest.raises(UserError, match="doesn't say"):
        control.post("/faults", {"action": "cut"})
    with pytest.raises(UserError, match="doesn't say"):
        control.post("/faults", ["cut"])
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(cli.home.control_socket))
        raw.sendall(b"POST /faults HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\n{{{")
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        assert answer.status == 400
        assert "error" in json.loads(answer.read())
    assert control.get("/status")["node_ready"] is True


def test_fault_that_hits_no_pod_hits_none(cli: CommandLine) -> None:
    cli.json("up")
    fault = {"action": "cut", "namespace": "default", "selector": "app=nothing"}
    assert Control(cli.home).post("/faults", fault) == {"action": "cut", "pods": []}


def test_stop_over_the_api_ends_the_daemon(cli: CommandLine) -> None:
    cli.json("up")
    assert Control(cli.home).post("/stop") == {"stopping": True}
    eventually(lambda: cli.home.daemon_pid() is None, "the daemon let go of its lock")
