"""Events: repetitions are counted, and too many that are alike are combined."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.store import Manifest, Store
from dockyard.wire.clock import FakeClock


class Told:
    """An API on a fake clock, and a Pod to report about."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = Api(Store(None), self.clock)
        bootstrap(self.api)
        spec = {"containers": [{"name": "main", "image": "app:v1"}]}
        self.pod = self.api.create("Pod", {"metadata": {"name": "web"}, "spec": spec})

    def tell(self, message: str, reason: str = "FailedCreate") -> None:
        self.api.record_event(self.pod, "Warning", reason, message, component="test")
        self.clock.advance(0.1)

    def events(self) -> list[Manifest]:
        return sorted(self.api.list("Event", "default"), key=lambda event: event["metadata"]["name"])


def test_a_repetition_is_counted() -> None:
    told = Told()
    for _ in range(12):
        told.tell("no")
    assert [(event["message"], event["count"]) for event in told.events()] == [("no", 12)]


def test_from_the_tenth_on_messages_about_the_same_are_combined() -> None:
    told = Told()
    for number in range(14):
        told.tell(f"no {number}")
    told.tell("another", reason="Killing")
    shown = [(event["message"], event["count"]) for event in told.events()]
    assert shown[:9] == [(f"no {number}", 1) for number in range(9)]
    assert shown[9:] == [("(combined from similar events): no 13", 5), ("another", 1)]


def test_after_ten_quiet_minutes_a_message_stands_alone_again() -> None:
    told = Told()
    for number in range(12):
        told.tell(f"no {number}")
    told.clock.advance(601)
    told.tell("no, still")
    assert [event["message"] for event in told.events()][-1] == "no, still"


def test_a_namespace_that_is_going_takes_no_events_and_stops_nobody_from_telling() -> None:
    told = Told()
    held = {"name": "going", "finalizers": ["example.test/hold"]}
    told.api.create("Namespace", {"metadata": held})
    spec = {"containers": [{"name": "main", "image": "app:v1"}]}
    pod = told.api.create("Pod", {"metadata": {"name": "web", "namespace": "going"}, "spec": spec})
    told.api.delete("Namespace", "going")
    told.api.record_event(pod, "Normal", "Killing", "Stopping container main", component="kubelet")
    assert told.api.list("Event", "going") == []
