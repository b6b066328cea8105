"""admin, edit and view, and how they grow."""

from __future__ import annotations

from pathlib import Path

from dockyard.cluster.access.rules import missing
from dockyard.cluster.controlplane import ControlPlane
from dockyard.wire.clock import FakeClock
from tests.cluster.access.conftest import rule
from tests.cluster.harness import FakeCluster

VIEW = "rbac.authorization.k8s.io/aggregate-to-view"


async def test_labelled_role_adds_its_rules_to_view_edit_and_admin(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    api = cluster.api
    before = {name: api.get("ClusterRole", name)["rules"] for name in ("view", "edit", "admin")}
    widgets = rule("widgets", "get", "example.com")
    api.create("ClusterRole", {"metadata": {"name": "widgets", "labels": {VIEW: "true"}}, "rules": [widgets]})
    await cluster.settle()
    for name, rules in before.items():
        grown = api.get("ClusterRole", name)["rules"]
        assert widgets in grown
        assert len(grown) == len(rules) + 1
    api.patch("ClusterRole", "widgets", {"metadata": {"labels": None}}, "merge")
    await cluster.settle()
    assert {name: api.get("ClusterRole", name)["rules"] for name in before} == before
    await cluster.stop()


async def test_rules_written_into_an_aggregated_role_do_not_stay(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    view = cluster.api.get("ClusterRole", "view")
    cluster.api.update("ClusterRole", view | {"rules": [rule("secrets", "get")]})
    await cluster.settle()
    assert cluster.api.get("ClusterRole", "view")["rules"] == view["rules"]
    await cluster.stop()


def test_restart_gives_back_what_was_taken_from_default_roles(tmp_path: Path) -> None:
    clock = FakeClock()
    plane = ControlPlane(tmp_path / "state.sqlite", clock)
    api = plane.api
    discovery, basic = (api.get("ClusterRole", f"system:{name}") for name in ("discovery", "basic-user"))
    binding = api.get("ClusterRoleBinding", "system:basic-user")
    more = rule("widgets", "get", "example.com")
    api.update("ClusterRole", discovery | {"rules": [more]})
    api.update("ClusterRoleBinding", binding | {"subjects": []})
    off = {**basic["metadata"], "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}
    api.update("ClusterRole", basic | {"metadata": off, "rules": []})
    api.delete("ClusterRole", "system:node")
    plane.close()
    plane = ControlPlane(tmp_path / "state.sqlite", clock)
    api = plane.api
    found = api.get("ClusterRole", "system:discovery")["rules"]
    assert found[0] == more
    assert missing(found, discovery["rules"]) == []
    assert api.get("ClusterRoleBinding", "system:basic-user")["subjects"] == binding["subjects"]
    assert api.get("ClusterRole", "system:basic-user")["rules"] is None
    assert api.find("ClusterRole", "system:node") is not None
    revision = plane.store.revision
    plane.close()
    # What is whole is left alone.
    plane = ControlPlane(tmp_path / "state.sqlite", clock)
    assert plane.store.revision == revision
    plane.close()
