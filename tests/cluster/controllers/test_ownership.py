"""ReplicaSets adopt and choose, the garbage collector follows owners, namespaces empty themselves."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.controllers import discover
from dockyard.cluster.controllers.replicaset import deletion_order
from dockyard.cluster.manager import Manager
from dockyard.cluster.store import Manifest, Store
from dockyard.wire.clock import FakeClock, rfc3339
from tests.cluster.harness import deployment, pod


class Plane:
    """Store and controllers, no node."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = Api(Store(None), self.clock)
        bootstrap(self.api)
        self.manager = Manager(self.api, self.clock, discover(self.api))
        self.manager.settle()

    def names(self, kind: str, namespace: str = "default") -> list[str]:
        return [obj["metadata"]["name"] for obj in self.api.list(kind, namespace)]

    def config_map(self, name: str, *owners: Manifest, **metadata: Any) -> Manifest:
        references = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": o["metadata"]["name"],
                "uid": o["metadata"]["uid"],
            }
            for o in owners
        ]
        body = {"metadata": {"name": name, "namespace": "default", "ownerReferences": references, **metadata}}
        created = self.api.create("ConfigMap", body)
        self.manager.settle()
        return created

    def delete(self, kind: str, name: str, **options: Any) -> None:
        self.api.delete(kind, name, "default", **options)
        self.manager.settle()


@pytest.fixture
def plane() -> Plane:
    return Plane()


def replica_set(replicas: int = 2) -> Manifest:
    made = deployment(replicas=replicas)
    del made["spec"]["template"]["spec"]["containers"][0]["command"]
    return made


def test_orphans_are_adopted_and_strangers_released(plane: Plane) -> None:
    orphan = pod("orphan")
    orphan["metadata"]["labels"] = {"app": "web"}
    plane.api.create("Pod", orphan)
    plane.api.create("ReplicaSet", replica_set(2))
    plane.manager.settle()
    assert len(plane.names("Pod")) == 2
    adopted = plane.api.get("Pod", "orphan", "default")
    assert adopted["metadata"]["ownerReferences"][0]["name"] == "web"

    adopted["metadata"]["labels"] = {"app": "debug"}
    plane.api.update("Pod", adopted)
    plane.manager.settle()
    assert "ownerReferences" not in plane.api.get("Pod", "orphan", "default")["metadata"]
    assert len(plane.names("Pod")) == 3


def test_what_serves_least_goes_first() -> None:
    def made(
        name: str, *, node: str = "n", phase: str = "Running", ready: float | None = 0, **more: Any
    ) -> Manifest:
        conditions = []
        if ready is not None:
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(ready)}]
        statuses = [{"restartCount": more.get("restarts", 0)}]
        return {
            "metadata": {
                "name": name,
                "creationTimestamp": rfc3339(more.get("created", 0)),
                "annotations": more.get("annotations", {}),
            },
            "spec": {"nodeName": node},
            "status": {"phase": phase, "conditions": conditions, "containerStatuses": statuses},
        }

    cheap = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    pods = [
        made("old", created=1, ready=10),
        made("newer", created=2, ready=10),
        made("restarted", created=1, ready=10, restarts=3),
        made("fresh", created=1, ready=50),
        made("cheap", created=1, ready=10, annotations=cheap),
        made("unready", ready=None),
        made("pending", phase="Pending", ready=None),
        made("unassigned", node="", phase="Pending", ready=None),
    ]
    order = [p["metadata"]["name"] for p in deletion_order(pods)]
    assert order == ["unassigned", "pending", "unready", "cheap", "fresh", "restarted", "newer", "old"]


def test_a_refused_template_is_tried_with_back_off_and_reported(plane: Plane) -> None:
    broken = replica_set(3)
    broken["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"
    plane.api.create("ReplicaSet", broken)
    plane.manager.settle()
    status = plane.api.get("ReplicaSet", "web", "default")["status"]
    assert status["conditions"][0]["reason"] == "FailedCreate"
    events = [e for e in plane.api.list("Event", "default") if e["reason"] == "FailedCreate"]
    assert len(events) == 1
    assert events[0]["message"].startswith("Error creating: ")

    plane.api.create("ServiceAccount", {"metadata": {"name": "nobody", "namespace": "default"}})
    plane.clock.advance(1)
    plane.manager.settle()
    assert len(plane.names("Pod")) == 3
    assert "conditions" not in plane.api.get("ReplicaSet", "web", "default")["status"]


def test_dependents_go_with_their_last_owner(plane: Plane) -> None:
    first, second = plane.config_map("first"), plane.config_map("second")
    plane.config_map("child", first, second)
    plane.delete("ConfigMap", "first")
    child = plane.api.get("ConfigMap", "child", "default")
    assert [owner["name"] for owner in child["metadata"]["ownerReferences"]] == ["second"]
    plane.delete("ConfigMap", "second")
    assert "child" not in plane.names("ConfigMap")


def test_an_owner_that_never_was_takes_its_dependent_along(plane: Plane) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "11111111-1111-1111-1111-111111111111"}}
    plane.config_map("child", ghost)
    assert "child" not in plane.names("ConfigMap")


def test_foreground_deletion_waits_for_blocking_dependents(plane: Plane) -> None:
    owner = plane.config_map("owner")
    child = plane.config_map("child", owner, finalizers=["example.test/hold"])
    child["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = True
    plane.api.update("ConfigMap", child)
    plane.delete("ConfigMap", "owner", propagation_policy="Foreground")
    assert plane.api.get("ConfigMap", "owner", "default")["metadata"]["finalizers"] == ["foregroundDeletion"]
    child = plane.api.get("ConfigMap", "child", "default")
    assert "deletionTimestamp" in child["metadata"]

    child["metadata"]["finalizers"] = []
    plane.api.update("ConfigMap", child)
    plane.manager.settle()
    assert "owner" not in plane.names("ConfigMap")


def test_orphans_stay(plane: Plane) -> None:
    owner = plane.config_map("owner")
    plane.config_map("child", owner)
    plane.delete("ConfigMap", "owner", propagation_policy="Orphan")
    assert "owner" not in plane.names("ConfigMap")
    assert "ownerReferences" not in plane.api.get("ConfigMap", "child", "default")["metadata"]


def test_a_collector_that_starts_late_finds_what_was_left(plane: Plane) -> None:
    owner = plane.config_map("owner")
    plane.config_map("child", owner)
    plane.manager.stop()
    plane.api.delete("ConfigMap", "owner", "default")
    assert "child" in plane.names("ConfigMap")
    Manager(plane.api, plane.clock, discover(plane.api)).settle()
    assert "child" not in plane.names("ConfigMap")


def test_a_namespace_empties_itself_and_says_what_holds_it(plane: Plane) -> None:
    plane.api.create("Namespace", {"metadata": {"name": "shop"}})
    made = deployment(replicas=2)
    made["metadata"]["namespace"] = "shop"
    plane.api.create("Deployment", made)
    held = {"metadata": {"name": "held", "namespace": "shop", "finalizers": ["example.test/hold"]}}
    plane.api.create("ConfigMap", held)
    plane.manager.settle()
    plane.api.delete("Namespace", "shop")
    plane.manager.settle()

    assert plane.names("Pod", "shop") == plane.names("Deployment", "shop") == []
    status = plane.api.get("Namespace", "shop")["status"]
    messages = {c["type"]: c["message"] for c in status["conditions"] if c["status"] == "True"}
    assert status["phase"] == "Terminating"
    # Word for word as recorded.
    assert messages == {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "example.test/hold in 1 resource instances",
    }

    left = plane.api.get("ConfigMap", "held", "shop")
    left["metadata"]["finalizers"] = []
    plane.api.update("ConfigMap", left)
    plane.manager.settle()
    assert plane.api.find("Namespace", "shop") is None


def test_what_every_namespace_needs_comes_back(plane: Plane) -> None:
    plane.delete("ServiceAccount", "default")
    plane.delete("ConfigMap", "kube-root-ca.crt")
    assert plane.names("ServiceAccount") == ["default"]
    changed = plane.api.get("ConfigMap", "kube-root-ca.crt", "default")
    changed["data"] = {"ca.crt": "forged"}
    plane.api.update("ConfigMap", changed)
    plane.manager.settle()
    assert plane.api.get("ConfigMap", "kube-root-ca.crt", "default")["data"] == {"ca.crt": plane.api.root_ca}


def test_pods_of_a_node_that_is_not_there_are_removed(plane: Plane) -> None:
    plane.api.create("Pod", pod("lost", spec={"nodeName": "nowhere"}))
    plane.manager.settle()
    plane.clock.advance(39)
    plane.manager.settle()
    assert plane.names("Pod") == ["lost"]
    plane.clock.advance(2)
    plane.manager.settle()
    assert plane.names("Pod") == []
