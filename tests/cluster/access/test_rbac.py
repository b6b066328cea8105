"""What bindings allow, and where, in the words of a real API server."""

from __future__ import annotations

import pytest

from tests.cluster.access.conftest import RBAC, Door, rule

PODS = "/api/v1/namespaces/{}/pods"


def test_role_allows_its_verbs_in_its_namespace_only(door: Door) -> None:
    here, there = door.namespace("here"), door.namespace("there")
    door.role(here, "reader", rule("pods", "get list"))
    door.bind(here, "reader", "rita")
    assert door.ask("GET", PODS.format(here), user="rita")[0] == 200
    status, refusal = door.ask("DELETE", PODS.format(here) + "/web", user="rita")
    assert (status, refusal["reason"], refusal["details"]) == (
        403,
        "Forbidden",
        {"name": "web", "kind": "pods"},
    )
    assert refusal["message"] == (
        'pods "web" is forbidden: User "rita" cannot delete resource "pods" in API group "" '
        f'in the namespace "{here}"'
    )
    status, refusal = door.ask("GET", PODS.format(there), user="rita")
    assert (status, refusal["message"]) == (
        403,
        'pods is forbidden: User "rita" cannot list resource "pods" in API group "" '
        f'in the namespace "{there}"',
    )
    assert door.ask("GET", "/api/v1/pods", user="rita")[1]["message"] == (
        'pods is forbidden: User "rita" cannot list resource "pods" in API group "" at the cluster scope'
    )


def test_cluster_role_counts_where_it_is_bound(door: Door) -> None:
    namespace = door.namespace("bound")
    door.bind(namespace, "view", "vera", kind="ClusterRole")
    assert door.ask("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments", user="vera")[0] == 200
    assert door.ask("GET", "/apis/apps/v1/deployments", user="vera")[0] == 403
    assert door.ask("GET", f"/api/v1/namespaces/{namespace}/secrets", user="vera")[0] == 403
    # A Role in a namespace may speak of the namespace itself, and of no other.
    assert door.ask("GET", f"/api/v1/namespaces/{namespace}", user="vera")[0] == 200
    status, refusal = door.ask("GET", "/api/v1/namespaces/default", user="vera")
    assert status == 403
    assert refusal["message"].endswith('resource "namespaces" in API group "" in the namespace "default"')


def test_rule_for_names_allows_those_alone(door: Door) -> None:
    namespace = door.namespace("named")
    door.role(namespace, "one", rule("configmaps", "get list watch", names="mine"))
    door.bind(namespace, "one", "nora")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert door.ask("GET", f"{path}/mine", user="nora")[0] == 404
    assert door.ask("GET", f"{path}/other", user="nora")[0] == 403
    assert door.ask("GET", path, user="nora")[0] == 403
    assert door.ask("GET", f"{path}?fieldSelector=metadata.name%3Dmine", user="nora")[0] == 200


@pytest.mark.parametrize(
    ("resources", "method", "path", "allowed"),
    [
        ("pods", "GET", "pods/web/log", False),
        ("pods/log", "GET", "pods/web/log", True),
        ("pods/log", "GET", "pods/web", False),
        ("*/log", "GET", "pods/web/log", True),
        ("*", "GET", "pods/web/log", True),
        ("pods/exec", "GET", "pods/web/exec?command=ls", False),
    ],
)
def test_subresources_are_resources_of_their_own(
    door: Door, resources: str, method: str, path: str, allowed: bool
) -> None:
    name = f"sub-{resources}-{method}-{path.count('log')}".translate(str.maketrans("/*", "-x")).lower()
    namespace = door.namespace(f"{name}-{len(path)}")
    door.role(namespace, "some", rule(resources, "get"))
    door.bind(namespace, "some", "sue")
    status, answer = door.ask(method, f"/api/v1/namespaces/{namespace}/{path}", user="sue")
    # What is allowed goes on to say that there is no such Pod.
    assert status == (404 if allowed else 403), answer


def test_exec_over_a_websocket_needs_create_as_well(door: Door) -> None:
    namespace = door.namespace("exec")
    door.role(namespace, "getter", rule("pods/exec", "get"))
    door.bind(namespace, "getter", "gus")
    refusal = door.ask("GET", f"/api/v1/namespaces/{namespace}/pods/web/exec?command=ls", user="gus")[1]
    assert 'User "gus" cannot create resource "pods/exec"' in refusal["message"]


def test_deleting_all_is_another_verb_than_deleting_one(door: Door) -> None:
    namespace = door.namespace("collection")
    door.role(namespace, "one", rule("configmaps", "delete"))
    door.bind(namespace, "one", "dora")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert door.ask("DELETE", f"{path}/ghost", user="dora")[0] == 404
    status, refusal = door.ask("DELETE", path, user="dora")
    assert status == 403
    assert 'cannot deletecollection resource "configmaps"' in refusal["message"]


def test_apply_of_something_new_is_a_create_too(door: Door) -> None:
    namespace = door.namespace("apply")
    door.role(namespace, "patcher", rule("configmaps", "get patch"))
    door.bind(namespace, "patcher", "pat")
    path = f"/api/v1/namespaces/{namespace}/configmaps/c?fieldManager=pat"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    apply = "application/apply-patch+yaml"
    status, refusal = door.ask("PATCH", path, config, user="pat", media=apply)
    assert status == 403
    assert 'User "pat" cannot create resource "configmaps"' in refusal["message"]
    assert door.ask("PATCH", path, config, media=apply)[0] == 201
    assert door.ask("PATCH", path, config, user="pat", media=apply)[0] == 200


def test_binding_to_a_role_that_is_missing_says_so(door: Door) -> None:
    namespace = door.namespace("dangling")
    door.bind(namespace, "gone", "gil")
    refusal = door.ask("GET", PODS.format(namespace), user="gil")[1]
    assert refusal["message"].endswith(
        f'in the namespace "{namespace}": RBAC: role.rbac.authorization.k8s.io "gone" not found'
    )


def test_unknown_resource_is_forbidden_before_it_is_not_found(door: Door) -> None:
    path = "/apis/example.com/v1/namespaces/default/widgets/w"
    status, refusal = door.ask("GET", path, user="ulf")
    assert (status, refusal["details"]) == (
        403,
        {"name": "w", "group": "example.com", "kind": "widgets"},
    )
    assert door.ask("GET", path)[0] == 404


def test_paths_beside_the_resources_need_rules_of_their_own(door: Door) -> None:
    assert door.ask("GET", "/metrics", user="mia")[1]["message"] == (
        'forbidden: User "mia" cannot get path "/metrics"'
    )
    assert door.ask("POST", "/metrics", user="mia")[1]["message"] == (
        'forbidden: User "mia" cannot post path "/metrics"'
    )
    # Everybody who is somebody may look around: that is how clients learn what there is.
    for path in ("/api", "/apis", "/apis/apps/v1", "/openapi/v3", "/version"):
        assert door.ask("GET", path, user="mia")[0] == 200, path


def test_what_is_taken_away_counts_at_once(door: Door) -> None:
    namespace = door.namespace("revoked")
    door.role(namespace, "reader", rule("pods", "list"))
    door.bind(namespace, "reader", "rob")
    assert door.ask("GET", PODS.format(namespace), user="rob")[0] == 200
    assert door.ask("DELETE", f"{RBAC}/namespaces/{namespace}/rolebindings/reader-rob")[0] == 200
    assert door.ask("GET", PODS.format(namespace), user="rob")[0] == 403
