"""What an engine without swarm, plugins and BuildKit answers: upstream's status, and a message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.engine.test_system import ask

ENDPOINTS = json.loads((Path(__file__).parents[1] / "data" / "docker" / "endpoints.json").read_text())
OUT_OF_SCOPE = [
    endpoint for endpoint, about in ENDPOINTS.items() if about["family"] in ("swarm", "plugin", "session")
]
STATUSES = {
    "GET /plugins": 200,  # there are none
    "POST /session": 400,
    "POST /grpc": 500,
    "POST /swarm/init": 501,
    "POST /swarm/join": 501,
    "GET /plugins/privileges": 501,
    "POST /plugins/pull": 501,
    "POST /plugins/create": 501,
    "POST /plugins/{name}/enable": 500,  # without a timeout, which is no integer then
}


@pytest.mark.parametrize("endpoint", [*OUT_OF_SCOPE, "PUT /volumes/{name}"])
def test_endpoint_out_of_scope_is_refused_with_a_message(embedded_engine: str, endpoint: str) -> None:
    method, path = endpoint.split(" ")
    body = "{}" if method == "POST" else None
    status, headers, answer = ask(
        embedded_engine, method, "/v1.51" + re.sub(r"\{\w+\}", "nosuch", path), body
    )
    default = 404 if "/plugins/" in path else 503
    assert status == STATUSES.get(endpoint, default)
    assert headers["Content-Type"].startswith("application/json")
    if status >= 400:
        assert json.loads(answer)["message"]


def test_swarm_cannot_be_begun_on_an_address_that_is_none(embedded_engine: str) -> None:
    status, _, answer = ask(embedded_engine, "POST", "/swarm/init", json.dumps({"ListenAddr": "bogus"}))
    assert status == 400
    assert "listen address must be an IP address" in json.loads(answer)["message"]


def test_endpoints_out_of_scope_are_found() -> None:
    assert len(OUT_OF_SCOPE) > 40
