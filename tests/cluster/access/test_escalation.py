"""Nobody hands out more than he holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.access.conftest import RBAC, Door, rule

RBAC_GROUP = "rbac.authorization.k8s.io"
MANAGE = "create get update patch delete"


def manager(door: Door, namespace: str, user: str, *more: dict[str, Any]) -> str:
    """A user who may write roles and bindings of a namespace, and what `more` allows."""
    door.namespace(namespace)
    door.role(namespace, "manager", rule("roles rolebindings", MANAGE, RBAC_GROUP), *more)
    door.bind(namespace, "manager", user)
    return f"{RBAC}/namespaces/{namespace}"


def test_role_beyond_ones_own_rights_is_refused_with_what_is_missing(door: Door) -> None:
    path = manager(door, "esc-role", "eve", rule("pods", "get"))
    wanted = {
        "metadata": {"name": "more"},
        "rules": [rule("pods secrets", "get list"), rule("jobs", "*", "batch")],
    }
    status, refusal = door.ask("POST", f"{path}/roles", wanted, user="eve")
    assert status == 403
    assert refusal["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "eve" (groups=["system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}\n'
        '{APIGroups:["batch"], Resources:["jobs"], Verbs:["*"]}'
    )
    held = {"metadata": {"name": "same"}, "rules": [rule("pods", "get", names="web")]}
    assert door.ask("POST", f"{path}/roles", held, user="eve")[0] == 201


@pytest.mark.parametrize("media", ["application/merge-patch+json", "application/apply-patch+yaml"])
def test_patch_and_apply_do_not_slip_through(door: Door, media: str) -> None:
    name = "esc-merge" if "merge" in media else "esc-apply"
    path = manager(door, name, "eve")
    assert door.ask("POST", f"{path}/roles", {"metadata": {"name": "r"}, "rules": []}, user="eve")[0] == 201
    patch = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "Role",
        "metadata": {"name": "r"},
        "rules": [rule("secrets", "get")],
    }
    query = "fieldManager=eve&force=true" if "apply" in media else "fieldManager=eve"
    status, refusal = door.ask("PATCH", f"{path}/roles/r?{query}", patch, user="eve", media=media)
    assert status == 403, refusal
    assert 'Resources:["secrets"], Verbs:["get"]' in refusal["message"]


def test_verb_escalate_lifts_the_check(door: Door) -> None:
    path = manager(door, "esc-verb", "ed", rule("roles", "escalate", RBAC_GROUP))
    role = {"metadata": {"name": "any"}, "rules": [rule("*", "*", "*")]}
    assert door.ask("POST", f"{path}/roles", role, user="ed")[0] == 201


def test_binding_gives_only_what_one_holds_or_may_bind(door: Door) -> None:
    path = manager(door, "esc-bind", "ben", rule("clusterroles", "bind", RBAC_GROUP, names="view"))
    subject = {"kind": "User", "name": "ben", "apiGroup": RBAC_GROUP}

    def bind(role: str) -> tuple[int, Any]:
        reference = {"kind": "ClusterRole", "name": role, "apiGroup": RBAC_GROUP}
        body = {"metadata": {"name": f"b-{role}"}, "roleRef": reference, "subjects": [subject]}
        return door.ask("POST", f"{path}/rolebindings", body, user="ben")

    status, refusal = bind("cluster-admin")
    assert status == 403
    assert refusal["message"] == (
        'rolebindings.rbac.authorization.k8s.io "b-cluster-admin" is forbidden: user "ben" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}'
    )
    assert bind("view")[0] == 201
    status, refusal = bind("ghost")
    assert (status, refusal["message"]) == (404, 'clusterrole.rbac.authorization.k8s.io "ghost" not found')


def test_aggregation_needs_everything(door: Door) -> None:
    door.role("", "role-maker", rule("clusterroles", MANAGE, RBAC_GROUP))
    door.bind("", "role-maker", "ada", kind="ClusterRole")
    selector = {"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}}
    role = {"metadata": {"name": "all"}, "aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []}
    status, refusal = door.ask("POST", f"{RBAC}/clusterroles", role, user="ada")
    assert (status, refusal["message"]) == (
        403,
        'clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to '
        "use an aggregationRule",
    )


def test_role_that_is_only_released_from_its_owner_is_not_judged_again(door: Door) -> None:
    path = manager(door, "esc-gc", "gia")
    door.role("esc-gc", "strong", rule("secrets", "*"))
    status, role = door.ask("GET", f"{path}/roles/strong", user="gia")
    role["metadata"]["finalizers"] = ["example.com/hold"]
    assert door.ask("PUT", f"{path}/roles/strong", role, user="gia")[0] == 200
    role["metadata"]["labels"] = {"a": "b"}
    role["metadata"].pop("resourceVersion")
    assert (status, door.ask("PUT", f"{path}/roles/strong", role, user="gia")[0]) == (200, 403)
