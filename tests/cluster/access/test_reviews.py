"""Questions about rights and identities, and the answers' reasons."""

from __future__ import annotations

from typing import Any

from tests.cluster.access.conftest import RBAC, Door, rule

ACCESS = "/apis/authorization.k8s.io/v1"
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"


def pods(verb: str, namespace: str, **more: str) -> dict[str, Any]:
    return {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": namespace, **more}}


def test_access_review_names_the_binding_that_allows(door: Door) -> None:
    namespace = door.namespace("sar")
    door.role(namespace, "reader", rule("pods", "get"))
    subject = {"kind": "ServiceAccount", "name": "robot"}
    reference = {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    body = {
        "metadata": {"name": "robots"},
        "roleRef": reference,
        "subjects": [{**subject, "namespace": namespace}],
    }
    door.make(f"{RBAC}/namespaces/{namespace}/rolebindings", body)
    robot = f"system:serviceaccount:{namespace}:robot"
    asked = {"spec": {**pods("get", namespace), "user": robot}}
    answer = door.make(f"{ACCESS}/subjectaccessreviews", asked)
    assert answer["status"] == {
        "allowed": True,
        "reason": f'RBAC: allowed by RoleBinding "robots/{namespace}" of Role "reader" to ServiceAccount '
        f'"robot/{namespace}"',
    }
    asked = {"spec": {**pods("delete", namespace), "user": robot}}
    assert door.make(f"{ACCESS}/subjectaccessreviews", asked)["status"] == {"allowed": False}
    local = f"{ACCESS}/namespaces/{namespace}/localsubjectaccessreviews"
    assert door.make(local, {"spec": {**pods("get", namespace), "user": robot}})["status"]["allowed"] is True
    status, refusal = door.ask("POST", local, {"spec": {**pods("get", "default"), "user": robot}})
    assert (status, refusal["message"]) == (
        400,
        f"spec.resourceAttributes.namespace must match namespace: {namespace}",
    )


def test_review_of_nobody_is_invalid(door: Door) -> None:
    status, refusal = door.ask("POST", f"{ACCESS}/subjectaccessreviews", {"spec": pods("get", "default")})
    assert (status, refusal["message"]) == (
        422,
        '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": '
        "at least one of user or group must be specified",
    )


def test_own_review_needs_no_rights_but_that_of_others_does(door: Door) -> None:
    own = door.ask(
        "POST", f"{ACCESS}/selfsubjectaccessreviews", {"spec": pods("get", "default")}, user="olga"
    )
    assert (own[0], own[1]["status"]) == (201, {"allowed": False})
    asked = {"spec": {**pods("get", "default"), "user": "otto"}}
    assert door.ask("POST", f"{ACCESS}/subjectaccessreviews", asked, user="olga")[0] == 403


def test_rules_review_lists_what_one_holds(door: Door) -> None:
    namespace = door.namespace("ssrr")
    door.role(namespace, "few", rule("pods", "get list", names="web"))
    door.bind(namespace, "few", "rhea")
    path = f"{ACCESS}/selfsubjectrulesreviews"
    status = door.ask("POST", path, {"spec": {"namespace": namespace}}, user="rhea")[1]["status"]
    assert status["incomplete"] is False
    few = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"]}
    assert few in status["resourceRules"]
    assert {
        "verbs": ["get"],
        "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"],
    } in (status["nonResourceRules"])
    assert len(status["resourceRules"]) == 3  # with those of every user
    assert door.ask("POST", path, {"spec": {}}, user="rhea")[1]["message"] == "no namespace on request"


def test_token_review_tells_whose_token_it_is(door: Door) -> None:
    namespace = door.namespace("tokenreview")
    issued = door.make(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token",
        {"spec": {"audiences": ["vault", "db"], "expirationSeconds": 600}},
    )
    token = issued["status"]["token"]
    answer = door.make(TOKENS, {"spec": {"token": token, "audiences": ["db"]}})["status"]
    assert (answer["authenticated"], answer["audiences"]) == (True, ["db"])
    assert answer["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    # A token for others does not open this server.
    assert door.make(TOKENS, {"spec": {"token": token}})["status"] == {
        "user": {},
        "error": "token audiences [vault db] is invalid for the target audiences "
        "[https://kubernetes.default.svc.cluster.local]",
    }
    assert door.ask("GET", "/api/v1/pods", token=token)[0] == 401
    assert door.make(TOKENS, {"spec": {"token": "x.y.z"}})["status"]["error"] == "invalid bearer token"
    assert door.ask("POST", TOKENS, {"spec": {}})[0] == 400
