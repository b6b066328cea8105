"""The scheduler's cache says what the API says, whatever has happened, and no node is ever overfull."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.manager import Manager
from dockyard.cluster.scheduler import controller
from dockyard.cluster.scheduler.snapshot import Snapshot
from dockyard.cluster.store import Store
from dockyard.wire.clock import FakeClock
from tests.cluster.harness import pod

NODES = ("a", "b")
PODS = st.sampled_from([f"p{index}" for index in range(6)])
STEPS = st.one_of(
    st.tuples(st.just("create"), PODS, st.integers(0, 7)),
    st.tuples(st.just("delete"), PODS, st.just(0)),
    st.tuples(st.just("remove"), PODS, st.just(0)),
    st.tuples(st.just("finish"), PODS, st.just(0)),
    st.tuples(st.just("relabel"), PODS, st.integers(0, 2)),
    st.tuples(st.just("cordon"), st.sampled_from(NODES), st.integers(0, 1)),
)


class World:
    """Two nodes of one core, the scheduler, and nobody who runs anything."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.api = Api(Store(None), clock)
        bootstrap(self.api)
        for priority in (1, 5):
            self.api.create("PriorityClass", {"metadata": {"name": f"at-{priority}"}, "value": priority})
        for name in NODES:
            self.api.create("Node", {"metadata": {"name": name}})
            node = self.api.get("Node", name)
            node["spec"]["taints"] = []
            self.api.update("Node", node)
            node = self.api.get("Node", name)
            node["status"]["allocatable"] = {"cpu": "1", "pods": "4"}
            self.api.update_status("Node", node)
        self.scheduler = controller(self.api)
        self.manager = Manager(self.api, clock, [self.scheduler])
        self.manager.settle()

    def do(self, verb: str, name: str, number: int) -> None:
        api = self.api
        if verb == "cordon":
            api.patch("Node", name, {"spec": {"unschedulable": bool(number) or None}}, "merge")
            return
        found = api.find("Pod", name, "default")
        if verb == "create" and found is None:
            spec = {"priorityClassName": "at-5" if number % 2 else "at-1"}
            api.create("Pod", pod(name, spec=spec, resources={"requests": {"cpu": f"{number}00m"}}))
        elif found is None:
            return
        elif verb == "delete":
            api.delete("Pod", name, "default")
        elif verb == "remove":
            api.delete("Pod", name, "default", grace_period_seconds=0)
        elif verb == "finish":
            api.update_status("Pod", found | {"status": {**found["status"], "phase": "Succeeded"}})
        elif verb == "relabel":
            labels = {"metadata": {"labels": {"app": str(number)}}}
            api.patch("Pod", name, labels, "merge", namespace="default")


def face(snapshot: Snapshot) -> object:
    nodes = {
        state.name: (
            sorted((p.name, sorted(p.labels.items()), p.leaving) for p in state.pods.values()),
            +state.used,
            +state.usual,
        )
        for state in snapshot.states
    }
    return nodes, sorted(pod.name for pod in snapshot.nominated.values())


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_cache_is_what_the_api_has_and_no_node_is_overfull(steps: list[tuple[str, str, int]]) -> None:
    world = World()
    for step in steps:
        world.do(*step)
        world.manager.settle()
        cached = world.scheduler._snapshot
        assert cached is not None
        assert face(cached) == face(Snapshot(world.api))
        for state in cached.states:
            assert state.used["cpu"] <= 1000
            assert len(state.pods) <= 4
    for waiting in world.api.list("Pod", fields="spec.nodeName="):
        assert any(c["type"] == "PodScheduled" for c in waiting["status"]["conditions"]), (
            "it says why it waits"
        )
