"""One API server, asked over TLS by its admin, who acts as whom a test names."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.cluster.conftest import LiveServer

Manifest = dict[str, Any]
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Door:
    """The API by HTTP; without `user` the request is the admin's own."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        pair = server.pki.client("admin", "kubernetes-admin", ["system:masters"])
        self._admin = self._connect(server.pki.client_context(pair))
        self._nobody = self._connect(server.pki.client_context())

    def _connect(self, context: Any) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, context=context, timeout=10)

    def ask(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        user: str = "",
        groups: Sequence[str] = (),
        token: str = "",
        media: str = "application/json",
    ) -> tuple[int, Any]:
        """Status and answer. With `token` the request has no certificate."""
        connection = self._nobody if token else self._admin
        connection.putrequest(method, path)
        if user:
            connection.putheader("Impersonate-User", user)
        for group in groups:
            connection.putheader("Impersonate-Group", group)
        if token:
            connection.putheader("Authorization", f"Bearer {token}")
        content = json.dumps(body).encode() if body is not None else b""
        if body is not None:
            connection.putheader("Content-Type", media)
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw[:1] == b"{" else raw.decode()

    def make(self, path: str, body: Manifest) -> Manifest:
        """Create something as the admin."""
        status, answer = self.ask("POST", path, body)
        assert status == 201, answer
        made: Manifest = answer
        return made

    def namespace(self, name: str) -> str:
        """A new namespace."""
        self.make("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def role(self, namespace: str, name: str, *rules: Manifest) -> None:
        """A Role, or without a namespace a ClusterRole."""
        path = f"{RBAC}/namespaces/{namespace}/roles" if namespace else f"{RBAC}/clusterroles"
        self.make(path, {"metadata": {"name": name}, "rules": list(rules)})

    def bind(self, namespace: str, role: str, user: str, *, kind: str = "Role") -> None:
        """Bind a role to a user, in a namespace or without one in all of them."""
        name = f"{role}-{user}".replace(":", "-")
        path = f"{RBAC}/namespaces/{namespace}/rolebindings" if namespace else f"{RBAC}/clusterrolebindings"
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        reference = {"kind": kind, "name": role, "apiGroup": "rbac.authorization.k8s.io"}
        self.make(path, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})

    def close(self) -> None:
        self._admin.close()
        self._nobody.close()


def rule(resources: str, verbs: str, group: str = "", names: str = "") -> Manifest:
    """A PolicyRule from words."""
    made: Manifest = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**made, "resourceNames": names.split()} if names else made


@pytest.fixture(scope="module")
def door(server: LiveServer) -> Iterator[Door]:
    made = Door(server)
    yield made
    made.close()
