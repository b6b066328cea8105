"""Deployments, with the counts that upstream's rolling update goes through."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.controllers import discover
from dockyard.cluster.manager import Manager
from dockyard.cluster.rollout.scaling import resolve
from dockyard.cluster.store import Event, Manifest, Store
from dockyard.wire.clock import FakeClock, rfc3339
from tests.cluster.harness import deployment


class Rollout:
    """Controllers only; the test plays the node and says which Pods are ready and which have ended."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = Api(Store(None), self.clock)
        bootstrap(self.api)
        self.api.create("Node", {"metadata": {"name": "dockyard"}})
        self.events: list[Event] = []
        self.api.subscribe(self.events.append)
        self.manager = Manager(self.api, self.clock, discover(self.api))
        self.settle()

    def settle(self) -> None:
        self.manager.settle()

    def advance(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.advance(due)
            self.settle()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
        self.settle()

    def create(self, manifest: Manifest) -> None:
        self.api.create("Deployment", manifest)
        self.settle()

    def change(self, **spec: Any) -> None:
        found = self.deployment
        found["spec"] |= spec
        self.api.update("Deployment", found)
        self.settle()

    def set_env(self, value: str) -> None:
        found = self.deployment
        found["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "V", "value": value}]
        self.api.update("Deployment", found)
        self.settle()

    @property
    def deployment(self) -> Manifest:
        return self.api.get("Deployment", "web", "default")

    def replica_sets(self) -> list[Manifest]:
        sets = self.api.list("ReplicaSet", "default")
        return sorted(sets, key=lambda rs: int(rs["metadata"]["annotations"][REVISION]))

    def sizes(self) -> list[int]:
        """spec.replicas of the ReplicaSets, oldest revision first."""
        return [rs["spec"]["replicas"] for rs in self.replica_sets()]

    def pods(self, revision: int | None = None) -> list[Manifest]:
        pods = self.api.list("Pod", "default")
        if revision is None:
            return pods
        rs = next(
            rs for rs in self.replica_sets() if rs["metadata"]["annotations"][REVISION] == str(revision)
        )
        return [p for p in pods if p["metadata"]["ownerReferences"][0]["name"] == rs["metadata"]["name"]]

    def make_ready(self, *pods: Manifest, ready: bool = True) -> None:
        for pod in pods or self.pods():
            if "deletionTimestamp" in pod["metadata"]:
                continue
            pod = self.api.get("Pod", pod["metadata"]["name"], "default")
            if not pod["spec"].get("nodeName"):
                self.api.bind(pod["metadata"]["name"], "default", "dockyard")
                pod = self.api.get("Pod", pod["metadata"]["name"], "default")
            condition = {
                "type": "Ready",
                "status": "True" if ready else "False",
                "lastTransitionTime": rfc3339(self.clock.now()),
            }
            pod["status"] |= {"phase": "Running", "conditions": [condition]}
            self.api.update_status("Pod", pod)
        self.settle()

    def end_terminating(self) -> None:
        self.advance(0.2)  # a ReplicaSet takes its time to shrink
        for pod in self.pods():
            if "deletionTimestamp" in pod["metadata"]:
                self.api.delete("Pod", pod["metadata"]["name"], "default", grace_period_seconds=0)
        self.settle()

    def condition(self, kind: str) -> Manifest:
        found: Manifest = next(c for c in self.deployment["status"]["conditions"] if c["type"] == kind)
        return found

    def scalings(self) -> list[str]:
        return [
            e.object["message"].replace("Scaled ", "").split(" replica set ")[0]
            + e.object["message"].split(" from")[1]
            for e in self.events
            if e.kind == "Event" and e.object["reason"] == "ScalingReplicaSet" and e.type == "ADDED"
        ]


REVISION = "deployment.kubernetes.io/revision"


@pytest.fixture
def rollout() -> Rollout:
    return Rollout()


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (4, "50%", "25%", (2, 1)),
        (3, 0, 0, (0, 1)),
        (2, 0, 5, (0, 2)),
        (0, "25%", "25%", (0, 0)),
    ],
)
def test_surge_rounds_up_and_unavailability_down(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    surge_pods, unavailable_pods = resolve({"spec": spec})
    if replicas == 0:
        assert surge_pods == 0  # nothing can be unavailable of nothing
        assert unavailable_pods == 0
    else:
        assert (surge_pods, unavailable_pods) == expected


def test_a_new_deployment_becomes_available_as_its_pods_become_ready(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=3))
    status = rollout.deployment["status"]
    assert status["unavailableReplicas"] == 3
    assert rollout.deployment["metadata"]["annotations"][REVISION] == "1"
    assert rollout.condition("Available")["status"] == "False"

    rollout.make_ready(*rollout.pods()[:1])
    assert rollout.deployment["status"]["readyReplicas"] == 1
    assert rollout.condition("Progressing")["reason"] == "ReplicaSetUpdated"
    rollout.make_ready()

    assert rollout.condition("Available")["reason"] == "MinimumReplicasAvailable"
    assert rollout.condition("Progressing")["reason"] == "NewReplicaSetAvailable"
    assert "unavailableReplicas" not in rollout.deployment["status"]


def test_surge_1_unavailable_0_goes_one_by_one_and_never_below(rollout: Rollout) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    rollout.create(deployment(replicas=4, strategy=strategy))
    rollout.make_ready()
    rollout.set_env("2")
    seen = [tuple(rollout.sizes())]
    while rollout.sizes() != [0, 4] or rollout.deployment["status"].get("updatedReplicas") != 4:
        rollout.make_ready(*rollout.pods(2))
        rollout.end_terminating()
        seen.append(tuple(rollout.sizes()))
        available = rollout.deployment["status"]["availableReplicas"]
        assert available >= 4 - 1 + 1, "an old Pod went before its replacement was ready"
        assert len(seen) < 12

    # The recorded sequence: each step makes one old Pod go and one new Pod come.
    assert seen[0] == (4, 1)
    assert seen[1:5] == [(3, 2), (2, 3), (1, 4), (0, 4)]
    assert rollout.scalings()[1:] == [
        "up 0 to 1",
        "down 4 to 3",
        "up 1 to 2",
        "down 3 to 2",
        "up 2 to 3",
        "down 2 to 1",
        "up 3 to 4",
        "down 1 to 0",
    ]


def test_surge_0_unavailable_1_makes_room_first(rollout: Rollout) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    rollout.create(deployment(replicas=3, strategy=strategy))
    rollout.make_ready()
    rollout.set_env("2")
    assert rollout.sizes() == [2, 1]
    assert sum(rollout.sizes()) == 3


def test_a_template_that_never_gets_ready_leaves_the_old_pods_serving(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=3))
    rollout.make_ready()
    rollout.set_env("bad")
    rollout.make_ready(*rollout.pods(2), ready=False)
    rollout.advance(60)
    assert rollout.sizes() == [3, 1]
    assert rollout.deployment["status"]["availableReplicas"] == 3
    assert rollout.condition("Available")["status"] == "True"


def test_no_progress_within_the_deadline_is_reported_and_taken_back(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=2, progressDeadlineSeconds=15))
    rollout.advance(14)
    assert rollout.condition("Progressing")["status"] == "True"
    rollout.advance(3)
    assert rollout.condition("Progressing")["reason"] == "ProgressDeadlineExceeded"
    name = rollout.replica_sets()[0]["metadata"]["name"]
    assert rollout.condition("Progressing")["message"] == f'ReplicaSet "{name}" has timed out progressing.'

    rollout.set_env("2")
    assert rollout.condition("Progressing")["status"] == "True"
    for _ in range(3):
        rollout.make_ready(*rollout.pods(2))
        rollout.end_terminating()
    assert rollout.condition("Progressing")["reason"] == "NewReplicaSetAvailable"


def test_recreate_waits_for_the_last_old_pod_to_be_gone(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=2, strategy={"type": "Recreate"}))
    rollout.make_ready()
    rollout.set_env("2")
    assert rollout.sizes() == [0]
    rollout.advance(0.2)
    assert all("deletionTimestamp" in pod["metadata"] for pod in rollout.pods())

    rollout.end_terminating()
    assert rollout.sizes() == [0, 2]


def test_undo_brings_the_old_replica_set_back_under_a_new_revision(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=1))
    first = rollout.replica_sets()[0]["metadata"]["name"]
    rollout.make_ready()
    rollout.set_env("2")
    rollout.make_ready()
    rollout.end_terminating()

    template = rollout.deployment["spec"]["template"]
    del template["spec"]["containers"][0]["env"]
    rollout.change(template=template)

    newest = rollout.replica_sets()[-1]
    assert newest["metadata"]["name"] == first
    assert newest["metadata"]["annotations"][REVISION] == "3"
    assert newest["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert rollout.deployment["metadata"]["annotations"][REVISION] == "3"


def test_a_paused_deployment_scales_but_does_not_roll(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=2))
    rollout.make_ready()
    rollout.change(paused=True)
    assert rollout.condition("Progressing") | {"lastTransitionTime": "", "lastUpdateTime": ""} == {
        "type": "Progressing",
        "status": "Unknown",
        "reason": "DeploymentPaused",
        "message": "Deployment is paused",
        "lastTransitionTime": "",
        "lastUpdateTime": "",
    }
    rollout.set_env("2")
    assert len(rollout.sizes()) == 1
    rollout.change(replicas=3)
    assert rollout.sizes() == [3]

    rollout.change(paused=False)
    assert len(rollout.sizes()) == 2


def test_scaling_in_the_middle_of_a_rollout_keeps_the_proportions(rollout: Rollout) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    rollout.create(deployment(replicas=10, strategy=strategy))
    rollout.make_ready()
    rollout.set_env("2")
    assert rollout.sizes() == [8, 5]
    # The example of upstream's documentation: scaled to 15, the five new ones are spread in proportion.
    rollout.change(replicas=15)
    assert rollout.sizes() == [11, 7]


def test_only_the_newest_empty_replica_sets_are_kept(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=1, revisionHistoryLimit=2))
    rollout.make_ready()
    for number in range(2, 7):
        rollout.set_env(str(number))
        rollout.make_ready()
        rollout.end_terminating()
        rollout.make_ready()
    revisions = [int(rs["metadata"]["annotations"][REVISION]) for rs in rollout.replica_sets()]
    assert revisions == [4, 5, 6]


def test_settled_controllers_write_nothing(rollout: Rollout) -> None:
    rollout.create(deployment(replicas=2))
    rollout.make_ready()
    before = rollout.api.store.revision
    for name in ("deployment", "replicaset", "endpointslice", "endpoints", "garbagecollector"):
        controller = next(c for c in discover(rollout.api) if c.name == name)
        for key in controller.existing():
            controller.reconcile(key)
    assert rollout.api.store.revision == before


def test_a_taken_name_counts_as_a_collision(rollout: Rollout) -> None:
    wanted = deployment(replicas=1)
    rollout.create(wanted)
    taken = rollout.replica_sets()[0]["metadata"]["name"]
    rollout.api.delete("Deployment", "web", "default", propagation_policy="Orphan")
    rollout.settle()
    rs = rollout.api.get("ReplicaSet", taken, "default")
    rs["metadata"]["labels"] = {"app": "other"}
    rs["metadata"]["ownerReferences"] = []
    rollout.api.update("ReplicaSet", rs)
    wanted["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    rollout.create(wanted)
    rollout.advance(1)
    assert rollout.deployment["status"]["collisionCount"] == 1
    names = {rs["metadata"]["name"] for rs in rollout.api.list("ReplicaSet", "default")}
    assert len(names) == 2
