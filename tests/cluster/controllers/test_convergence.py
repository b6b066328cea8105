"""Controllers come to the same end from any order of events: hypothesis chooses who is looked at next."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.controllers import discover
from dockyard.cluster.errors import AlreadyExists, NotFound
from dockyard.cluster.manager import Controller, Key, Manager
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.store import Event, Manifest, Store
from dockyard.wire.clock import Clock, FakeClock, rfc3339
from tests.cluster.harness import deployment

NODE = "dockyard"
LONG = 120.0  # seconds, in which all comes to rest
NAMES = st.sampled_from(["front", "back"])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), NAMES, st.integers(0, 4)),
        st.tuples(st.just("scale"), NAMES, st.integers(0, 5)),
        st.tuples(st.just("image"), NAMES, st.integers(1, 3)),
        st.tuples(st.just("delete"), NAMES, st.integers(0, 1)),
        st.tuples(st.just("lose a pod"), NAMES, st.integers(0, 4)),
        st.tuples(st.just("take a pod out"), NAMES, st.integers(0, 4)),
        st.tuples(st.just("wait"), NAMES, st.integers(1, 4)),
        st.tuples(st.just("restart"), NAMES, st.just(0)),
    ),
    min_size=3,
    max_size=14,
)


class AnyOrder(Manager):
    """Takes any key of the queue, instead of the oldest."""

    def __init__(
        self, api: Api, clock: Clock, controllers: Sequence[Controller], order: random.Random
    ) -> None:
        self._order = order
        super().__init__(api, clock, controllers)

    def step(self) -> None:
        """Look at one key, if there is any."""
        if self._queue:
            self._step()

    def _step(self) -> None:
        self._queue.rotate(self._order.randrange(len(self._queue)))
        super()._step()


class PlayedNode:
    """A node on which every Pod is Ready at once, and gone as soon as it is told to go."""

    name = "played node"

    def __init__(self, api: Api) -> None:
        self._api = api
        self._addresses = 0

    def existing(self) -> Iterable[Key]:
        pods = [pod["metadata"] for pod in self._api.list("Pod", "default")]
        return [Key("default", pod["name"]) for pod in pods]

    def keys(self, event: Event) -> Iterable[Key]:
        return (Key(event.namespace, event.name),) if event.kind == "Pod" else ()

    def reconcile(self, key: Key) -> None:
        pod = self._api.find("Pod", key.name, key.namespace)
        if pod is None:
            return
        if is_terminating(pod):
            self._api.delete("Pod", key.name, key.namespace, grace_period_seconds=0)
        elif not pod["spec"].get("nodeName"):
            self._api.bind(key.name, key.namespace, NODE)
        elif pod["status"]["phase"] == "Pending":
            self._addresses += 1
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(self._api.clock.now())}
            address = f"10.0.{self._addresses // 250}.{self._addresses % 250 + 1}"
            pod["status"] |= {"phase": "Running", "podIP": address, "conditions": [ready]}
            self._api.update_status("Pod", pod)


class Play:
    """Two Deployments with their Services, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.clock = FakeClock()
        self.api = Api(Store(None), self.clock)
        bootstrap(self.api)
        self.api.create("Node", {"metadata": {"name": NODE}})
        self._order = random.Random(seed)
        self.manager = self._started()
        for name in ("front", "back"):
            service = {
                "metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
            }
            self.api.create("Service", service, namespace="default")

    def _started(self) -> AnyOrder:
        controllers = [*discover(self.api), PlayedNode(self.api)]
        return AnyOrder(self.api, self.clock, controllers, self._order)

    def do(self, action: str, name: str, number: int) -> None:
        """One change, and a few looks of controllers, in any order; much stays undone."""
        with contextlib.suppress(AlreadyExists, NotFound):
            self._do(action, name, number)
        for _ in range(self._order.randrange(12)):
            self.manager.step()

    def _do(self, action: str, name: str, number: int) -> None:
        api = self.api
        if action == "create":
            api.create("Deployment", deployment(name, number))
        elif action == "scale":
            self._patch(name, {"replicas": number})
        elif action == "image":
            container = {"name": "app", "image": f"app:v{number}"}
            self._patch(name, {"template": {"spec": {"containers": [container]}}})
        elif action == "delete":
            api.delete("Deployment", name, "default", propagation_policy=("Background", "Foreground")[number])
        elif action == "wait":
            self.clock.advance(float(number))
        elif action == "restart":
            self.manager.stop()
            self.manager = self._started()
        elif pods := api.list("Pod", "default", labels={"app": name}):
            pod = pods[number % len(pods)]["metadata"]["name"]
            if action == "lose a pod":
                api.delete("Pod", pod, "default", grace_period_seconds=number % 2 * 30)
            else:
                api.patch("Pod", pod, {"metadata": {"labels": {"app": "out"}}}, "merge", namespace="default")

    def _patch(self, name: str, spec: Manifest) -> None:
        self.api.patch("Deployment", name, {"spec": spec}, "strategic", namespace="default")

    def rest(self) -> None:
        """Let everything happen that is still to happen."""
        end = self.clock.monotonic() + LONG
        self.manager.settle()
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.advance(due)
            self.manager.settle()

    # -- what has to be true in the end

    def wrong(self, name: str) -> list[Any]:
        """What is not as the Deployment says, or not gone with it."""
        found: list[Any] = []
        wanted = self.api.find("Deployment", name, "default")
        pods = self.api.list("Pod", "default", labels={"app": name})
        sets = [
            rs for rs in self.api.list("ReplicaSet", "default") if rs["metadata"]["labels"]["app"] == name
        ]
        if wanted is None:
            found += [("left", obj["metadata"]["name"]) for obj in (*pods, *sets)]
        else:
            found += self._wrong_pods(wanted, pods, sets)
        slices = self.api.list("EndpointSlice", "default", labels={"kubernetes.io/service-name": name})
        listed = [end["targetRef"]["name"] for one in slices for end in one.get("endpoints") or ()]
        if sorted(listed) != sorted(pod["metadata"]["name"] for pod in pods):
            found.append(("endpoints", listed))
        return found

    def _wrong_pods(self, wanted: Manifest, pods: list[Manifest], sets: list[Manifest]) -> list[Any]:
        spec, status = wanted["spec"], wanted["status"]
        image = spec["template"]["spec"]["containers"][0]["image"]
        found: list[Any] = []
        if [pod["spec"]["containers"][0]["image"] for pod in pods] != [image] * spec["replicas"]:
            found.append(("pods", [pod["metadata"]["name"] for pod in pods], spec["replicas"], image))
        sizes = sorted(rs["spec"]["replicas"] for rs in sets)
        if sum(sizes) != spec["replicas"] or sum(size > 0 for size in sizes) > 1:
            found.append(("replica sets", sizes))
        counts = {key: status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
        if set(counts.values()) != {spec["replicas"]}:
            found.append(("counts", counts))
        if status["observedGeneration"] != wanted["metadata"]["generation"]:
            found.append(("observed", status["observedGeneration"]))
        return found


@settings(max_examples=60, deadline=None)
@given(actions=ACTIONS, seed=st.integers(0, 10**6))
def test_controllers_converge_from_any_order_of_events(
    actions: list[tuple[str, str, int]], seed: int
) -> None:
    play = Play(seed)
    for action in actions:
        play.do(*action)
    play.rest()
    assert {name: play.wrong(name) for name in ("front", "back")} == {"front": [], "back": []}
    assert not [pod for pod in play.api.list("Pod", "default") if is_terminating(pod)]
