"""Unmodified clients with other identities than the admin's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl, LiveServer
from tests.cluster.harness import pod

ROLES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get]}
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
"""


@pytest.fixture
def token(kubectl: Kubectl) -> str:
    if kubectl.run("get", "serviceaccount", "robot").returncode:
        kubectl("create", "serviceaccount", "robot")
    return kubectl("create", "token", "robot", "--duration=10m").strip()


def test_python_client_logs_in_with_a_token(server: LiveServer, kubectl: Kubectl, token: str) -> None:
    from kubernetes import client

    settings = client.Configuration()
    settings.host = f"https://127.0.0.1:{server.port}"
    settings.ssl_ca_cert = str(server.pki.ca_certificate)
    settings.api_key = {"authorization": f"Bearer {token}"}
    with client.ApiClient(settings) as made:
        core = client.CoreV1Api(made)
        with pytest.raises(client.ApiException) as refused:
            core.list_namespaced_secret("default")
        assert refused.value.status == 403
        kubectl(
            "create", "rolebinding", "robot-edits", "--clusterrole=edit", "--serviceaccount=default:robot"
        )
        assert core.list_namespaced_secret("default").items == []
        kubectl("delete", "serviceaccount", "robot")
        with pytest.raises(client.ApiException) as refused:
            core.list_namespaced_secret("default")
        assert refused.value.status == 401


def test_kubectl_binds_a_token_to_a_pod(server: LiveServer, kubectl: Kubectl) -> None:
    web: Any = server.do(server.plane.api.create, "Pod", pod("web"))
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", "web")
    asked = json.loads(kubectl("create", "token", "default", *bound, "--audience", "vault", "-o", "json"))
    assert asked["spec"]["audiences"] == ["vault"]
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": asked["status"]["token"], "audiences": ["vault"]},
    }
    answer = json.loads(kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
    extra = answer["status"]["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-uid"] == [web["metadata"]["uid"]]


def test_kubectl_reconciles_roles(kubectl: Kubectl) -> None:
    kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    assert "reconciled" in kubectl("auth", "reconcile", "-f", "-", stdin=ROLES)
    role = json.loads(kubectl("get", "role", "reader", "-o", "json"))
    assert [rule["resources"] for rule in role["rules"]] == [["pods"], ["configmaps"]]


def test_kubectl_says_who_one_is(server: LiveServer, kubectl: Kubectl) -> None:
    told = kubectl("auth", "whoami", "-o", "json", "--as=jane", "--as-group=dev")
    assert json.loads(told)["status"]["userInfo"] == {
        "username": "jane",
        "groups": ["dev", "system:authenticated"],
    }
    extra = json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["extra"]
    (credential,) = extra["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")
    assert len(credential) == len("X509SHA256=") + 64
    denied = kubectl.run("get", "pods", "--as=jane", "--as-group=dev")
    assert denied.stderr == (
        'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" '
        'in API group "" in the namespace "default"\n'
    )
