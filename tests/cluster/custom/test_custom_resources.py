"""Custom resources through the Python client and the API's verbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch

from dockyard.cluster.api import Api
from dockyard.cluster.errors import Invalid, NotFound
from dockyard.cluster.manager import Manager
from dockyard.cluster.store import Store
from dockyard.wire.clock import FakeClock, SystemClock
from tests.cluster.conftest import LiveServer
from tests.cluster.harness import FakeCluster

GROUP, KEY = "shop.example.com", "Order.shop.example.com"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["item"],
            "properties": {"item": {"type": "string"}, "count": {"type": "integer", "default": 1}},
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string", "enum": ["New", "Sent"]}}},
    },
}


def definition(
    *, scope: str = "Namespaced", kind: str = "Order", plural: str = "orders", **version: Any
) -> Any:
    v1 = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, **version}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "kind": kind, "shortNames": ["ord"]},
            "versions": [v1],
        },
    }


def order(name: str, **spec: Any) -> Any:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Order",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"item": "book", **spec},
    }


@pytest.fixture
async def cluster(tmp_path: Path) -> Any:
    made = await FakeCluster(tmp_path, state=tmp_path / "state").start()
    yield made
    await made.stop()


async def define(cluster: FakeCluster, obj: Any) -> None:
    cluster.api.create("CustomResourceDefinition", obj)
    await cluster.settle()


async def test_a_kind_exists_while_its_definition_does(cluster: FakeCluster) -> None:
    assert KEY not in cluster.api.kinds
    await define(cluster, definition())
    cluster.api.create(KEY, order("a"))
    assert cluster.api.get(KEY, "a")["spec"] == {"item": "book", "count": 1}
    cluster.api.delete("CustomResourceDefinition", f"orders.{GROUP}")
    await cluster.settle()
    assert KEY not in cluster.api.kinds
    await define(cluster, definition())
    assert cluster.api.list(KEY) == [], "the objects went with the definition"


async def test_a_definition_waits_for_finalizers_of_its_objects(cluster: FakeCluster) -> None:
    await define(cluster, definition())
    held = order("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.api.create(KEY, held)
    cluster.api.delete("CustomResourceDefinition", f"orders.{GROUP}")
    await cluster.settle()
    assert cluster.api.get(KEY, "a")["metadata"]["deletionTimestamp"]
    cluster.api.patch(KEY, "a", {"metadata": {"finalizers": None}}, "merge", namespace="default")
    await cluster.settle()
    assert cluster.api.find("CustomResourceDefinition", f"orders.{GROUP}") is None


async def test_names_that_are_taken_are_not_accepted(cluster: FakeCluster) -> None:
    await define(cluster, definition())
    await define(cluster, definition(plural="requests"))
    second = cluster.api.get("CustomResourceDefinition", f"requests.{GROUP}")
    found = {c["type"]: (c["status"], c["reason"], c["message"]) for c in second["status"]["conditions"]}
    assert found["NamesAccepted"] == ("False", "SingularConflict", '"order" is already in use')
    assert found["Established"][:2] == ("False", "NotAccepted")


async def test_custom_objects_are_owned_and_collected(cluster: FakeCluster) -> None:
    await define(cluster, definition())
    owner = cluster.api.create(KEY, order("a"))
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Order", "name": "a", "uid": owner["metadata"]["uid"]}
    owned = {"metadata": {"name": "of-a", "namespace": "default", "ownerReferences": [reference]}}
    cluster.api.create("ConfigMap", owned)
    await cluster.settle()
    assert cluster.api.find("ConfigMap", "of-a", "default") is not None
    cluster.api.delete(KEY, "a", "default")
    await cluster.settle()
    assert cluster.api.find("ConfigMap", "of-a", "default") is None


async def test_a_namespace_takes_its_custom_objects_along(cluster: FakeCluster) -> None:
    await define(cluster, definition())
    cluster.api.create("Namespace", {"metadata": {"name": "shop"}})
    mine = order("a")
    mine["metadata"]["namespace"] = "shop"
    cluster.api.create(KEY, mine)
    cluster.api.delete("Namespace", "shop")
    await cluster.settle()
    assert cluster.api.find("Namespace", "shop") is None
    assert cluster.api.list(KEY) == []


async def test_status_is_written_by_its_subresource_alone_and_checked(cluster: FakeCluster) -> None:
    await define(cluster, definition(subresources={"status": {}}))
    made = cluster.api.create(KEY, {**order("a"), "status": {"phase": "New"}})
    assert "status" not in made
    changed = cluster.api.update_status(KEY, made | {"status": {"phase": "Sent"}, "spec": {"item": "pen"}})
    assert (changed["status"], changed["spec"]["item"]) == ({"phase": "Sent"}, "book")
    assert changed["metadata"]["generation"] == 1
    with pytest.raises(Invalid, match=r"status\.phase: Unsupported value"):
        cluster.api.update_status(KEY, changed | {"status": {"phase": "Lost"}})


async def test_an_older_version_shows_the_same_objects(cluster: FakeCluster) -> None:
    obj = definition()
    older = {"name": "v1beta1", "served": True, "storage": False, "schema": {"openAPIV3Schema": SCHEMA}}
    obj["spec"]["versions"].append(older)
    await define(cluster, obj)
    cluster.api.create(KEY, order("a"))
    old = cluster.api.kinds.resource(GROUP, "v1beta1", "orders")
    assert old is not None
    found = cluster.api.get(old.id, "a")
    assert (found["apiVersion"], found["spec"]["item"]) == (f"{GROUP}/v1beta1", "book")


async def test_definitions_are_there_after_a_restart(cluster: FakeCluster, tmp_path: Path) -> None:
    await define(cluster, definition())
    cluster.api.create(KEY, order("a"))
    cluster.manager.stop()
    cluster.api.store.close()
    store = Store(tmp_path / "state")
    again = Api(store, FakeClock())
    assert again.get(KEY, "a")["spec"]["item"] == "book"
    with pytest.raises(NotFound):
        again.get(KEY, "b")
    cluster.api.store = store  # for the fixture's end


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"scope": "Everywhere"}, "spec.scope: Unsupported value"),
        ({"storage": False}, "must have exactly one version marked as storage version"),
        (
            {"schema": {"openAPIV3Schema": {}}},
            r"openAPIV3Schema.type: Required value: must not be empty at the root",
        ),
        (
            {"schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {}}}}},
            r"properties\[spec\].type: Required value: must not be empty for specified object fields",
        ),
        (
            {"subresources": {"scale": {"specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"}}},
            r"scale.specReplicasPath: Invalid value: \".status.n\": should be a json path under .spec",
        ),
    ],
)
async def test_bad_definitions_are_refused(
    cluster: FakeCluster, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(Invalid, match=problem):
        cluster.api.create("CustomResourceDefinition", definition(**change))


@pytest.fixture
def orders(server: LiveServer, api_client: Any) -> Iterator[client.CustomObjectsApi]:
    """The Python client's custom objects, on a server with the definition."""
    from dockyard.cluster.controllers import customresourcedefinition

    api = server.plane.api

    async def start() -> Manager:
        made = Manager(api, SystemClock(), [customresourcedefinition.controller(api)])
        api.create("CustomResourceDefinition", definition())
        made.settle()
        made.run()
        return made

    manager = server.call(start())
    yield client.CustomObjectsApi(api_client)
    server.do(manager.stop)


def test_the_python_client_creates_patches_watches_and_deletes(orders: client.CustomObjectsApi) -> None:
    place = (GROUP, "v1", "default", "orders")
    orders.create_namespaced_custom_object(*place, order("a"))
    changed = orders.patch_namespaced_custom_object(*place, "a", {"spec": {"count": 3}})
    assert changed["spec"]["count"] == 3
    with pytest.raises(client.ApiException) as refused:
        orders.patch_namespaced_custom_object(*place, "a", {"spec": {"count": "many"}})
    assert refused.value.status == 422
    listed = orders.list_namespaced_custom_object(*place)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
    orders.delete_namespaced_custom_object(*place, "a")
    seen = []
    stream = watch.Watch()
    start = listed["metadata"]["resourceVersion"]
    for event in stream.stream(
        orders.list_namespaced_custom_object, *place, resource_version=start, timeout_seconds=20
    ):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        stream.stop()
    assert seen == [("DELETED", "a")]
