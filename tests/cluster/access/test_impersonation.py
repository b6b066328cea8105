"""Acting as somebody else: who may, and what he is then."""

from __future__ import annotations

from tests.cluster.access.conftest import Door, rule

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def test_impersonated_service_account_has_its_groups(door: Door) -> None:
    status, answer = door.ask("POST", WHO, {}, user="system:serviceaccount:default:robot")
    assert status == 201
    assert answer["status"]["userInfo"] == {
        "username": "system:serviceaccount:default:robot",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
    }


def test_impersonated_user_and_groups_are_what_was_said(door: Door) -> None:
    answer = door.ask("POST", WHO, {}, user="jane", groups=["dev", "ops"])[1]
    assert answer["status"]["userInfo"] == {
        "username": "jane",
        "groups": ["dev", "ops", "system:authenticated"],
    }
    answer = door.ask("POST", WHO, {}, user="system:anonymous")
    assert answer[0] == 403  # who is nobody may not even ask who he is


def test_who_may_not_impersonate_is_told_what_is_missing(door: Door) -> None:
    account = door.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "mimic"}})
    path = f"/api/v1/namespaces/default/serviceaccounts/{account['metadata']['name']}/token"
    token = door.make(path, {})["status"]["token"]
    name = "system:serviceaccount:default:mimic"
    status, refusal = door.ask("GET", "/api/v1/pods", token=token, user="bob")
    assert (status, refusal["message"]) == (
        403,
        f'users "bob" is forbidden: User "{name}" cannot impersonate resource "users" in API group "" '
        "at the cluster scope",
    )
    door.role("", "act-as-bob", rule("users", "impersonate", names="bob"))
    door.bind("", "act-as-bob", name, kind="ClusterRole")
    assert door.ask("POST", WHO, {}, token=token, user="bob")[1]["status"]["userInfo"]["username"] == "bob"
    refusal = door.ask("POST", WHO, {}, token=token, user="bob", groups=["system:masters"])[1]
    assert refusal["message"] == (
        f'groups "system:masters" is forbidden: User "{name}" cannot impersonate resource "groups" in API '
        'group "" at the cluster scope'
    )
    refusal = door.ask("POST", WHO, {}, token=token, user="system:serviceaccount:default:default")[1]
    assert refusal["message"] == (
        f'serviceaccounts "default" is forbidden: User "{name}" cannot impersonate resource '
        '"serviceaccounts" in API group "" in the namespace "default"'
    )


def test_groups_without_a_user_are_refused(door: Door) -> None:
    status, refusal = door.ask("GET", "/api/v1/pods", groups=["system:masters"])
    assert status == 500
    assert "without impersonating a user" in refusal["message"]
