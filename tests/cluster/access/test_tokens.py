"""ServiceAccount tokens: what they open, for how long, and what they die with."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.access.tokens import AUDIENCES, InvalidTokenError
from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.controlplane import ControlPlane
from dockyard.cluster.store import Store
from dockyard.wire.clock import FakeClock
from tests.cluster.access.conftest import Door
from tests.cluster.harness import FakeCluster, pod

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def claims(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def api() -> Api:
    made = Api(Store(None), FakeClock())
    bootstrap(made)
    return made


def refusal(api: Api, token: str) -> str:
    with pytest.raises(InvalidTokenError) as caught:
        api.tokens.read(token)
    return str(caught.value)


def test_requested_token_makes_its_bearer_the_service_account(door: Door) -> None:
    namespace = door.namespace("bearer")
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    answer = door.make(f"{path}/token", {"spec": {"expirationSeconds": 600}})
    assert answer["spec"] == {
        "audiences": ["https://kubernetes.default.svc.cluster.local"],
        "expirationSeconds": 600,
        "boundObjectRef": None,
    }
    token = answer["status"]["token"]
    who = door.ask("POST", WHO, {}, token=token)[1]["status"]["userInfo"]
    assert who["username"] == f"system:serviceaccount:{namespace}:default"
    assert who["uid"] == door.ask("GET", path)[1]["metadata"]["uid"]
    assert who["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    ]
    assert who["extra"] == {"authentication.kubernetes.io/credential-id": [f"JTI={claims(token)['jti']}"]}
    assert claims(token)["exp"] - claims(token)["iat"] == 600


def test_deleted_account_takes_its_tokens_along(door: Door) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    door.make(accounts, {"metadata": {"name": "brief"}})
    token = door.make(f"{accounts}/brief/token", {})["status"]["token"]
    assert door.ask("POST", WHO, {}, token=token)[0] == 201
    door.ask("DELETE", f"{accounts}/brief")
    door.make(accounts, {"metadata": {"name": "brief"}})
    assert door.ask("POST", WHO, {}, token=token)[0] == 401


def test_foreign_and_mangled_tokens_are_unauthorized(door: Door) -> None:
    token = door.make("/api/v1/namespaces/default/serviceaccounts/default/token", {})["status"]["token"]
    head, payload, signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    master = claims(token) | {"sub": "system:serviceaccount:kube-system:default"}
    forged = base64.urlsafe_b64encode(json.dumps(master).encode()).decode().rstrip("=")
    for bad in (
        f"{unsigned}.{payload}.",
        f"{head}.{forged}.{signature}",
        f"{head}.{payload}.{signature[:-4]}",
        f"{head}.{payload}",
        "...",
        "x",
        "\xe9.\xe9.\xe9",
        Api(Store(None), FakeClock()).tokens.issue(
            {"metadata": {"name": "default", "namespace": "default", "uid": "1"}}
        )[0],
    ):
        status, answer = door.ask("GET", "/api/v1/pods", token=bad)
        assert (status, answer["message"]) == (401, "Unauthorized"), bad
    assert door.ask("GET", "/version", token="x")[0] == 401


def test_token_can_be_bound_to_an_object_of_its_own_only(door: Door) -> None:
    namespace = door.namespace("binding")
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"

    def bound_to(**reference: str) -> tuple[int, str]:
        status, answer = door.ask(
            "POST", path, {"spec": {"boundObjectRef": {"apiVersion": "v1", **reference}}}
        )
        return status, answer.get("message", "")

    assert bound_to(kind="Pod", name="ghost") == (404, 'pods "ghost" not found')
    assert bound_to(kind="ConfigMap", name="c") == (
        400,
        "cannot bind token to object of type /v1, Kind=ConfigMap",
    )
    door.make(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "other"}})
    other = pod("other", spec={"serviceAccountName": "other"}) | {"metadata": {"name": "other"}}
    door.make(f"/api/v1/namespaces/{namespace}/pods", other)
    assert bound_to(kind="Pod", name="other") == (
        400,
        'cannot bind token for serviceaccount "default" to pod running with different serviceaccount name.',
    )
    mine = pod("mine") | {"metadata": {"name": "mine"}}
    door.make(f"/api/v1/namespaces/{namespace}/pods", mine)
    assert bound_to(kind="Pod", name="mine", uid="another")[0] == 409
    assert bound_to(kind="Pod", name="mine")[0] == 201


def test_pod_cannot_ask_for_a_token_that_is_too_short(door: Door) -> None:
    token = {"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}
    volume = {"name": "v", "projected": {"sources": [token]}}
    status, refused = door.ask(
        "POST", "/api/v1/namespaces/default/pods", pod("brief", spec={"volumes": [volume]})
    )
    assert (status, refused["message"]) == (
        422,
        'Pod "brief" is invalid: spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: '
        "Invalid value: 60: may not specify a duration less than 10 minutes",
    )


def test_token_expires(api: Api) -> None:
    account = api.get("ServiceAccount", "default", "default")
    token = api.tokens.issue(account, seconds=600).token
    clock = api.clock
    assert isinstance(clock, FakeClock)
    clock.advance(600)
    assert api.tokens.read(token).user.name == "system:serviceaccount:default:default"
    clock.advance(61)  # a minute is forgiven, for clocks that differ
    assert refusal(api, token) == "service account token has expired"


def test_token_of_a_pod_dies_with_the_pod(api: Api) -> None:
    account = api.get("ServiceAccount", "default", "default")
    made = api.create("Pod", pod("web"))
    token = api.tokens.issue(account, bound=made).token
    assert api.tokens.read(token).user.extra["authentication.kubernetes.io/pod-name"] == ("web",)
    api.delete("Pod", "web", "default", grace_period_seconds=0)
    assert refusal(api, token) == "service account token has been invalidated"
    api.create("Pod", pod("web"))
    assert refusal(api, token) == "service account token has been invalidated"


def test_tokens_survive_a_restart_of_the_control_plane(tmp_path: Path) -> None:
    clock = FakeClock()
    first = ControlPlane(tmp_path / "state.sqlite", clock)
    token = first.api.tokens.issue(first.api.get("ServiceAccount", "default", "default")).token
    first.close()
    second = ControlPlane(tmp_path / "state.sqlite", clock)
    assert second.api.tokens.read(token).audiences == AUDIENCES
    second.close()
    key = tmp_path / "serviceaccount.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_pod_finds_a_token_of_its_own_that_is_renewed(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    source = {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}}
    extra = {"name": "extra", "projected": {"sources": [source]}}
    mount = {"name": "extra", "mountPath": "/var/run/vault"}
    cluster.api.create("Pod", pod("web", spec={"volumes": [extra]}, volumeMounts=[mount]))
    await cluster.advance(5)
    web = cluster.pod("web")
    volumes = cluster.node.directory(web) / "volumes"
    name = next(v["name"] for v in web["spec"]["volumes"] if v["name"].startswith("kube-api-access-"))
    token = (volumes / name / "token").read_text()
    user = cluster.api.tokens.read(token).user
    assert user.extra["authentication.kubernetes.io/pod-uid"] == (web["metadata"]["uid"],)
    private = claims(token)["kubernetes.io"]
    # Admission's odd 3607 seconds: good for a year, and its bearer is expected to read the file again.
    assert private["warnafter"] - claims(token)["iat"] == 3607
    assert claims(token)["exp"] - claims(token)["iat"] == 365 * 86400
    first = (volumes / "extra" / "vault").read_text()
    assert (claims(first)["aud"], claims(first)["exp"] - claims(first)["iat"]) == (["vault"], 600)
    await cluster.advance(300)
    assert (volumes / "extra" / "vault").read_text() == first
    await cluster.advance(300)
    second = (volumes / "extra" / "vault").read_text()
    assert claims(second)["iat"] >= claims(first)["iat"] + 480
    await cluster.stop()


async def test_secret_for_a_token_is_filled_and_goes_with_its_account(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    api = cluster.api
    api.create("ServiceAccount", {"metadata": {"name": "ci", "namespace": "default"}})
    annotations = {"kubernetes.io/service-account.name": "ci"}
    metadata = {"name": "ci-token", "namespace": "default", "annotations": annotations}
    api.create("Secret", {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    await cluster.settle()
    secret = api.get("Secret", "ci-token", "default")
    assert sorted(secret["data"]) == ["ca.crt", "namespace", "token"]
    token = base64.b64decode(secret["data"]["token"]).decode()
    assert "exp" not in claims(token)
    assert api.tokens.read(token).user.name == "system:serviceaccount:default:ci"
    api.delete("ServiceAccount", "ci", "default")
    await cluster.settle()
    assert api.find("Secret", "ci-token", "default") is None
    assert refusal(api, token) == "service account token has been invalidated"
    await cluster.stop()
