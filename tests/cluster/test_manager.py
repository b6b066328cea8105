"""The queue: what runs, how often, and what happens to what fails."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.manager import Key, KindController, Manager, NotSettled
from dockyard.cluster.store import Event, Manifest, Store
from dockyard.wire.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api(clock: FakeClock) -> Api:
    made = Api(Store(None), clock)
    bootstrap(made)
    return made


def config_map(name: str, **data: str) -> Manifest:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


class Counting:
    """A controller of ConfigMaps that notes what it saw and does as it is told."""

    name = "counting"

    def __init__(self, *, fail: int = 0, again: float | None = None) -> None:
        self.seen: list[str] = []
        self.fail = fail
        self.again = again

    def existing(self) -> Iterable[Key]:
        return [Key("default", "before")]

    def keys(self, event: Event) -> Iterable[Key]:
        return [Key(event.namespace, event.name)] if event.kind == "ConfigMap" else []

    def reconcile(self, key: Key) -> float | None:
        self.seen.append(key.name)
        if self.fail:
            self.fail -= 1
            raise RuntimeError("not yet")
        return self.again


def test_several_changes_of_one_object_are_one_look(api: Api, clock: FakeClock) -> None:
    controller = Counting()
    manager = Manager(api, clock, [controller])
    manager.settle()
    assert controller.seen == ["before"]

    api.create("ConfigMap", config_map("a", x="1"))
    api.update("ConfigMap", config_map("a", x="2"))
    api.create("ConfigMap", config_map("b"))
    manager.settle()

    assert controller.seen == ["before", "a", "b"]


def test_a_key_that_takes_long_rests_and_then_is_looked_at_once(api: Api, clock: FakeClock) -> None:
    class Slow(Counting):
        def reconcile(self, key: Key) -> float | None:
            clock.advance(0.02 if key.name == "slow" else 0.0)
            return super().reconcile(key)

    controller = Slow()
    manager = Manager(api, clock, [controller])
    api.create("ConfigMap", config_map("slow"))
    manager.settle()
    for number in range(5):
        api.update("ConfigMap", config_map("slow", x=str(number)))
        api.create("ConfigMap", config_map(f"quick{number}"))
    manager.settle()
    assert controller.seen == ["before", "slow", *(f"quick{number}" for number in range(5))]
    clock.advance(0.199)
    manager.settle()
    assert controller.seen.count("slow") == 1
    clock.advance(0.002)
    manager.settle()
    assert controller.seen.count("slow") == 2


def test_failures_are_tried_again_with_doubling_delays(
    api: Api, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    controller = Counting(fail=4)
    manager = Manager(api, clock, [controller])
    moments = []
    manager.settle()
    while (due := clock.next_due()) is not None:
        moments.append(round(due, 4))
        clock.advance(due)
        manager.settle()

    assert moments == [0.005, 0.01, 0.02, 0.04]
    assert controller.seen == ["before"] * 5
    assert "counting default/before: a bug of ours" in caplog.text


def test_one_failing_key_does_not_hold_up_the_others(api: Api, clock: FakeClock) -> None:
    controller = Counting(fail=1)
    manager = Manager(api, clock, [controller])
    api.create("ConfigMap", config_map("a"))
    manager.settle()
    assert controller.seen == ["before", "a"]


def test_a_key_comes_back_when_it_asked_to(api: Api, clock: FakeClock) -> None:
    controller = Counting(again=30.0)
    manager = Manager(api, clock, [controller])
    manager.settle()
    clock.advance(29.9)
    assert manager.settle() == 0
    clock.advance(0.2)
    assert manager.settle() == 1


def test_the_earlier_of_two_delays_counts(api: Api, clock: FakeClock) -> None:
    controller = Counting()
    manager = Manager(api, clock, [controller])
    manager.settle()
    manager.enqueue(controller, Key("", "x"), 5.0)
    manager.enqueue(controller, Key("", "x"), 1.0)
    manager.enqueue(controller, Key("", "x"), 9.0)
    clock.advance(1.0)
    manager.settle()
    assert controller.seen[-1] == "x"
    clock.advance(20.0)
    assert manager.settle() == 0


def test_controllers_that_wake_each_other_for_ever_are_named(api: Api, clock: FakeClock) -> None:
    def restless(api: Api, obj: Manifest) -> None:
        obj["data"] = {"n": str(int(obj.get("data", {}).get("n", 0)) + 1)}
        api.update("ConfigMap", obj)

    manager = Manager(api, clock, [KindController(api, "restless", "ConfigMap", restless)])
    api.create("ConfigMap", config_map("a"))
    with pytest.raises(NotSettled, match="restless default/a"):
        manager.settle(limit=200)


def test_a_stopped_manager_does_nothing(api: Api, clock: FakeClock) -> None:
    controller = Counting(again=1.0)
    manager = Manager(api, clock, [controller])
    manager.settle()
    manager.stop()
    api.create("ConfigMap", config_map("a"))
    clock.advance(10.0)
    assert manager.settle() == 0
    assert controller.seen == ["before"]


def test_a_controller_comes_later_and_goes_earlier(api: Api, clock: FakeClock) -> None:
    manager = Manager(api, clock, [])
    late = Counting()
    manager.add(late)
    api.create("ConfigMap", config_map("seen"))
    manager.settle()
    assert late.seen == ["before", "seen"]
    manager.remove(late)
    api.create("ConfigMap", config_map("unseen"))
    manager.settle()
    assert late.seen == ["before", "seen"]
