"""Discovery, OpenAPI, columns and the edges of HTTP, against recordings and by raw requests."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dockyard.cluster.kinds import KINDS
from dockyard.cluster.tables import table
from tests.cluster.conftest import LiveServer

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
COLUMNS: dict[str, list[list[Any]]] = json.loads((DATA / "columns.json").read_text())
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Ask = Callable[..., Answer]


@pytest.fixture
def ask(server: LiveServer) -> Ask:
    context = server.pki.client_context(server.pki.client("admin", "kubernetes-admin", ["system:masters"]))

    def request(method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=named)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, answer.headers, content)

    return request


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_columns_are_upstreams(kind: str) -> None:
    row = KINDS[kind]
    recorded = COLUMNS[f"{row.api_version}/{row.plural}"]
    ours = table(row, [], 0.0, "1", "None")["columnDefinitions"]
    assert [[c["name"], c["type"], c["format"], c["priority"]] for c in ours] == recorded


def test_aggregated_discovery_has_an_etag_and_a_304_without_body(ask: Ask) -> None:
    for path in ("/api", "/apis"):
        first = ask("GET", path, Accept=AGGREGATED)
        assert first.json["kind"] == "APIGroupDiscoveryList"
        again = ask("GET", path, Accept=AGGREGATED, If_None_Match=first.headers["Etag"])
        assert (again.status, again.body) == (304, b"")
        assert again.headers["Transfer-Encoding"] is None


def test_plain_discovery_names_the_same_resources(ask: Ask) -> None:
    aggregated = {}
    for path in ("/api", "/apis"):
        for group in ask("GET", path, Accept=AGGREGATED).json["items"]:
            for version in group["versions"]:
                name = group["metadata"].get("name", "")
                key = f"{name}/{version['version']}" if name else version["version"]
                aggregated[key] = {resource["resource"] for resource in version["resources"]}
    assert len(aggregated) > 10
    for key, resources in aggregated.items():
        base = "/apis/" if "/" in key else "/api/"
        listed = ask("GET", base + key, Accept="application/json").json["resources"]
        assert {item["name"] for item in listed if "/" not in item["name"]} == resources
    groups = ask("GET", "/apis").json["groups"]
    assert {group["preferredVersion"]["groupVersion"] for group in groups} <= set(aggregated)


def test_openapi_lets_kubectl_leave_validation_to_the_server(ask: Ask) -> None:
    paths = ask("GET", "/openapi/v3").json["paths"]
    document = ask("GET", paths["apis/apps/v1"]["serverRelativeURL"])
    assert document.headers["Cache-Control"] == "public, immutable"
    patch = document.json["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert {"dryRun", "fieldValidation"} <= {parameter["name"] for parameter in patch["parameters"]}
    schemas = document.json["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    references = document.body.decode().split('"$ref":"#/components/schemas/')[1:]
    assert {reference.partition('"')[0] for reference in references} <= set(schemas)


def test_every_group_has_an_openapi_document(ask: Ask) -> None:
    paths = ask("GET", "/openapi/v3").json["paths"]
    assert len(paths) > 10
    for place in paths.values():
        assert ask("GET", place["serverRelativeURL"]).json["openapi"] == "3.0.0"
    assert ask("GET", "/openapi/v2").json["swagger"] == "2.0"


def test_trailing_slashes_and_dotted_names(ask: Ask) -> None:
    assert ask("GET", "/version/").json["gitVersion"] == "v1.36.2"
    assert ask("GET", "/api/").json["kind"] == "APIVersions"
    assert ask("GET", "/api/v1/namespaces/").json["kind"] == "NamespaceList"
    assert ask("GET", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt").status == 200


def test_yaml_bodies_are_read(ask: Ask) -> None:
    text = b"metadata: {name: from-yaml}\ndata: {a: 'yes', b: \"1\"}\n"
    made = ask("POST", "/api/v1/namespaces/default/configmaps", text, Content_Type="application/yaml")
    assert (made.status, made.json["data"]) == (201, {"a": "yes", "b": "1"})


def test_exploding_yaml_is_refused(ask: Ask) -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{n}: &{n} [{','.join(['*' + p] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)]
    answer = ask(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        "\n".join(lines).encode(),
        Content_Type="application/yaml",
    )
    assert answer.status == 400
    assert "excessive aliasing" in answer.json["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"\xff\xfe{", 400), (b'{"metadata":{"name":"a\\ud800"}}', 422), (b"[" * 100_000, 400), (b"{" * 9, 400)],
)
def test_malformed_bodies_are_refused(ask: Ask, body: bytes, status: int) -> None:
    answer = ask("POST", "/api/v1/namespaces/default/configmaps", body, Content_Type="application/json")
    assert answer.status == status
    assert answer.json["kind"] == "Status"


def test_body_over_three_mebibytes_is_too_large(ask: Ask) -> None:
    body = b'{"metadata":{"name":"big"},"data":{"a":"' + b"x" * (3 << 20) + b'"}}'
    answer = ask("POST", "/api/v1/namespaces/default/configmaps", body, Content_Type="application/json")
    assert answer.status == 413
    assert answer.json["message"] == "Request entity too large: limit is 3145728"


def test_metadata_only_forms(ask: Ask) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = ask("GET", "/api/v1/namespaces/default/configmaps", Accept=accept).json
    assert listed["kind"] == "PartialObjectMetadataList"
    assert all(set(item) == {"kind", "apiVersion", "metadata"} for item in listed["items"])


def test_list_items_carry_no_kind(ask: Ask) -> None:
    listed = ask("GET", "/api/v1/namespaces").json
    assert listed["kind"] == "NamespaceList"
    assert listed["items"]
    assert all("kind" not in item for item in listed["items"])


def test_page_stays_as_of_its_first_request(ask: Ask, server: LiveServer) -> None:
    api = server.plane.api
    for number in range(5):
        server.do(api.create, "ConfigMap", {"metadata": {"name": f"p{number}", "labels": {"page": "y"}}})
    base = "/api/v1/namespaces/default/configmaps?labelSelector=page%3Dy&limit=2"
    first = ask("GET", base).json
    server.do(api.delete, "ConfigMap", "p3")
    server.do(api.create, "ConfigMap", {"metadata": {"name": "p9", "labels": {"page": "y"}}})
    second = ask("GET", f"{base}&continue={first['metadata']['continue']}").json
    third = ask("GET", f"{base}&continue={second['metadata']['continue']}").json
    names = [item["metadata"]["name"] for page in (first, second, third) for item in page["items"]]
    assert names == ["p0", "p1", "p2", "p3", "p4"]
    assert "continue" not in third["metadata"]
