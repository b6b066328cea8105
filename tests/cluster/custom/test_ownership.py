"""Who owns which field of a custom object, under server-side apply and otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.errors import ApplyConflict
from dockyard.cluster.ownership import Manager
from tests.cluster.custom.test_custom_resources import GROUP, KEY, definition, order
from tests.cluster.harness import FakeCluster

LISTS = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "item": {"type": "string"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "lines": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
                    },
                },
                "plain": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}


@pytest.fixture
async def cluster(tmp_path: Path) -> Any:
    made = await FakeCluster(tmp_path).start()
    made.api.create("CustomResourceDefinition", definition(schema={"openAPIV3Schema": LISTS}))
    await made.settle()
    yield made
    await made.stop()


def config(**spec: Any) -> Any:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Order", "metadata": {"name": "a"}, "spec": spec}


def apply(cluster: FakeCluster, manager: str, *, force: bool = False, **spec: Any) -> Any:
    return cluster.api.apply(KEY, "a", config(**spec), manager=manager, force=force)[0]


def owned(obj: Any) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"]["f:spec"] for entry in obj["metadata"]["managedFields"]}


async def test_managers_share_maps_and_sets_and_conflict_over_the_rest(cluster: FakeCluster) -> None:
    apply(cluster, "one", lines=[{"name": "x", "count": 1}], set=["a"], item="book")
    made = apply(cluster, "two", lines=[{"name": "y", "count": 2}], set=["b"])
    assert made["spec"]["lines"] == [{"name": "x", "count": 1}, {"name": "y", "count": 2}]
    assert sorted(made["spec"]["set"]) == ["a", "b"]
    with pytest.raises(ApplyConflict, match=r"\.spec\.item"):
        apply(cluster, "two", item="pen")
    made = apply(cluster, "one", item="book")
    assert made["spec"] == {"lines": [{"name": "y", "count": 2}], "set": ["b"], "item": "book"}


async def test_a_list_without_keys_is_owned_as_a_whole(cluster: FakeCluster) -> None:
    apply(cluster, "one", plain=["a"])
    with pytest.raises(ApplyConflict, match=r"\.spec\.plain"):
        apply(cluster, "two", plain=["b"])
    assert apply(cluster, "two", plain=["b"], force=True)["spec"]["plain"] == ["b"]


async def test_fields_are_listed_as_recorded(cluster: FakeCluster) -> None:
    who = Manager("kubectl-client-side-apply", "Update", f"{GROUP}/v1")
    made = cluster.api.create(KEY, order("a", free={"x": 1}), manager=who)
    free = {".": {}, "f:x": {}}
    assert owned(made) == {"kubectl-client-side-apply": {".": {}, "f:free": free, "f:item": {}}}
    assert owned(apply(cluster, "mine", item="book"))["mine"] == {"f:item": {}}
