"""A Job counts each of its Pods exactly once, whatever happens to them and to its controller."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.controllers import garbagecollector
from dockyard.cluster.controllers import job as jobs
from dockyard.cluster.jobs.conditions import finished
from dockyard.cluster.manager import Manager
from dockyard.cluster.podstate import is_active
from dockyard.cluster.store import Event, Store
from dockyard.wire.clock import FakeClock
from tests.cluster.jobs.work import job

Manifest = dict[str, Any]

INDEX = st.integers(0, 5)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["succeed", "fail", "delete"]), INDEX),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=12,
)


class Play:
    """Controllers without a node: the test says which Pods end and how."""

    def __init__(self, made: Manifest) -> None:
        self.clock = FakeClock()
        self.api = Api(Store(None), self.clock)
        bootstrap(self.api)
        self.events: list[Event] = []
        self.api.subscribe(self.events.append)
        self.start()
        self.api.create("Job", made)
        self.manager.settle()

    def start(self) -> None:
        """Controllers that know nothing of before."""
        loops = [jobs.controller(self.api), garbagecollector.controller(self.api)]
        self.manager = Manager(self.api, self.clock, loops)
        self.manager.settle()

    def do(self, action: str, number: int) -> None:
        active = [pod for pod in self.api.list("Pod", "default") if is_active(pod)]
        if action == "wait":
            self.wait(number)
        elif action == "restart":
            self.manager.stop()
            self.start()
        elif active:
            pod = active[number % len(active)]
            if action == "delete":
                self.api.delete("Pod", pod["metadata"]["name"], "default")
            else:
                pod["status"]["phase"] = "Succeeded" if action == "succeed" else "Failed"
                self.api.update_status("Pod", pod)
        self.manager.settle()

    def wait(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.advance(due)
            self.manager.settle()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    def job(self) -> Manifest:
        return self.api.get("Job", "work", "default")

    def ended(self, phase: str) -> int:
        """How many Pods ended so; those that were deleted before they had ended failed."""
        last: dict[str, str] = {}
        for event in self.events:
            if event.kind == "Pod":
                pod = event.object
                was = pod["status"]["phase"]
                gone = was not in ("Succeeded", "Failed") and "deletionTimestamp" in pod["metadata"]
                last[pod["metadata"]["uid"]] = "Failed" if gone else was
        return sum(1 for found in last.values() if found == phase)


@settings(max_examples=40, deadline=None)
@given(
    actions=ACTIONS,
    completions=st.integers(1, 4),
    parallelism=st.integers(1, 3),
    mode=st.sampled_from(["NonIndexed", "Indexed"]),
)
def test_each_pod_is_counted_once(
    actions: list[tuple[str, int]], completions: int, parallelism: int, mode: str
) -> None:
    spec = {"completions": completions, "parallelism": parallelism, "completionMode": mode}
    made = job("work")
    made["spec"] |= spec | {"backoffLimit": 100}
    play = Play(made)
    for action, number in actions:
        play.do(action, number)
    for _ in range(completions + 3):
        play.wait(700)  # longer than any back-off
        for number in range(parallelism):
            play.do("succeed", number)
    play.wait(700)
    status = play.job()["status"]
    outcome = finished(play.job())
    assert outcome is not None
    assert outcome["type"] == "Complete"
    assert status["succeeded"] == completions
    assert (status["succeeded"], status.get("failed", 0)) == (play.ended("Succeeded"), play.ended("Failed"))
    assert status["uncountedTerminatedPods"] == {}
    assert all("finalizers" not in pod["metadata"] for pod in play.api.list("Pod", "default"))
