"""Every recorded refusal of a real API server, asked again; what differs is listed with its reason."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import LiveServer

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
CASES: list[dict[str, Any]] = json.loads((DATA / "errors.json").read_text())
DIFFERENT: dict[str, str] = json.loads((DATA / "errors-different.json").read_text())
EXCHANGES = [
    pytest.param(exchange, id=f"{case['id']}-{index}")
    for case in CASES
    for index, exchange in enumerate(case["http"])
]


@pytest.fixture(scope="module")
def connection(server: LiveServer) -> Iterator[http.client.HTTPSConnection]:
    admin = server.pki.client("admin", "kubernetes-admin", ["system:masters"])
    context: ssl.SSLContext = server.pki.client_context(admin)
    made = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
    server.do(server.plane.api.create, "Namespace", {"metadata": {"name": "errors"}})
    have = {"metadata": {"name": "have", "namespace": "errors"}, "data": {"a": "1"}}
    server.do(server.plane.api.create, "ConfigMap", have)
    server.do(server.plane.store.compact)
    yield made
    made.close()


def normalised(value: Any) -> Any:
    """Without what is different in every cluster: revisions, uids, random suffixes, times."""
    text = json.dumps(value, sort_keys=True)
    text = re.sub(r"<uid-\d+>|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"(Bad_)[a-z0-9]{5}", r"\1XXXXX", text)
    text = re.sub(r"(in record \()\d+|(current: )\d+|(version: \d+ \()\d+", r"\1\2\3N", text)
    return json.loads(text)


def ask(connection: http.client.HTTPSConnection, exchange: dict[str, Any]) -> tuple[int, Any, str]:
    body, path = exchange.get("body"), exchange["path"]
    # What the recorder normalised in requests, turned back.
    path = path.replace("resourceVersion=rv?", "resourceVersion=99999999")
    if body == "{... data.a = 1048577 characters ...}":
        body = {"metadata": {"name": "x"}, "data": {"a": "a" * (2**20 + 1)}}
    if isinstance(body, (dict, list)):
        body = json.dumps(body).replace('"resourceVersion": "rv1"', '"resourceVersion": "1"')
    headers = dict(exchange.get("headers") or {})
    connection.request(exchange["method"], path, body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    warning = answer.headers.get("Warning") or ""
    try:
        return answer.status, json.loads(content), warning
    except ValueError:
        return answer.status, content, warning


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_refusal_is_upstreams_word_for_word(
    connection: http.client.HTTPSConnection, exchange: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    status, answer, warning = ask(connection, exchange)
    expected = exchange["response"]
    code = exchange["status"]
    recorded = code, _refusal(code, expected), exchange.get("header_warning") or ""
    ours = status, _refusal(status, answer), warning
    if name in DIFFERENT:
        assert ours != recorded, f"{name} is as recorded by now: take it off errors-different.json"
    else:
        assert ours == recorded


def _refusal(status: int, answer: Any) -> Any:
    """What is compared: accepted objects are test_recorded_defaults' matter."""
    return normalised(answer) if status >= 400 else None


def test_nearly_all_recordings_are_held() -> None:
    assert len(EXCHANGES) > 230
    assert len(DIFFERENT) < len(EXCHANGES) / 10
    assert all(len(reason) > 20 for reason in DIFFERENT.values())
