"""Who may ask: the admin's certificate, no certificate, a token, another user, another authority."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from dockyard.wire.tls import Pki
from tests.cluster.conftest import LiveServer


def ask(
    server: LiveServer, path: str, context: ssl.SSLContext, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content[:1] == b"{" else content.decode()


def test_without_a_certificate_only_version_and_health_are_told(server: LiveServer) -> None:
    anonymous = server.pki.client_context()
    assert ask(server, "/version", anonymous)[1]["gitVersion"] == "v1.36.2"
    for path in ("/healthz", "/livez", "/readyz"):
        assert ask(server, path, anonymous) == (200, "ok")
    status, refusal = ask(server, "/api/v1/pods", anonymous)
    assert (status, refusal["reason"], refusal["details"]) == (403, "Forbidden", {"kind": "pods"})
    assert refusal["message"] == (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
        "at the cluster scope"
    )


def test_token_is_unauthorized(server: LiveServer) -> None:
    status, refusal = ask(
        server, "/api/v1/pods", server.pki.client_context(), {"Authorization": "Bearer nonsense"}
    )
    assert (status, refusal["message"], refusal["reason"]) == (401, "Unauthorized", "Unauthorized")


def test_user_outside_the_masters_may_do_nothing(server: LiveServer) -> None:
    nobody = server.pki.client_context(server.pki.client("nobody", "nobody"))
    status, refusal = ask(server, "/api/v1/namespaces/default/configmaps/x", nobody)
    assert (status, refusal["details"]) == (403, {"name": "x", "kind": "configmaps"})
    assert refusal["message"] == (
        'configmaps "x" is forbidden: User "nobody" cannot get resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    assert ask(server, "/metrics", nobody)[1]["message"] == (
        'forbidden: User "nobody" cannot get path "/metrics"'
    )


def test_certificate_of_another_authority_ends_the_handshake(server: LiveServer, tmp_path: Path) -> None:
    stranger = Pki(tmp_path / "pki")
    pair = stranger.client("admin", "kubernetes-admin", ["system:masters"])
    context = server.pki.client_context(pair)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        ask(server, "/api/v1/pods", context)
