"""Recorded scenarios of a real cluster, played again on a fake clock, and what every object went through."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.disruption.eviction import evict
from dockyard.cluster.errors import TooManyRequests
from dockyard.cluster.store import Manifest
from tests.cluster.fakes import FakeProcess
from tests.cluster.harness import FakeCluster
from tests.cluster.scenarios import known
from tests.cluster.timelines import Change, Timeline, Told, reduce
from tests.cluster.traffic import Traffic

RECORDINGS = Path(__file__).parent.parent / "data" / "kubernetes" / "timelines"
KINDS = ("Pod", "Deployment", "ReplicaSet", "EndpointSlice")


class Replay:
    """The programs of the recorded Pods, and the steps of the recorder."""

    def __init__(self, cluster: FakeCluster, recording: Manifest) -> None:
        self.cluster = cluster
        self.recording = recording
        self.listens_after = 2.6
        self.slow_starts: list[float] = []  # what the first ones take instead
        self.unready: set[str] = set()
        self.unhealthy: set[str] = set()
        self.never_ready = False  # what starts from now on
        self.closes_after = 0.0  # uvicorn looks at what it was told ten times a second
        self.deaf = False  # a process 1 without a handler, which Python is before uvicorn is loaded
        self.traffic = Traffic(cluster)
        self._starts = self._ends = 0
        cluster.runtime.start_seconds = self._start_seconds
        cluster.runtime.programs["python"] = self._web
        cluster.runtime.programs["/pause"] = self._pause
        cluster.runtime.programs["sh"] = self._shell
        cluster.runtime.execs["cat"] = self._cat
        cluster.runtime.execs["sh"] = self._hook
        cluster.runtime.execs["false"] = lambda process: process.end(1)
        self._files: dict[str, bool] = {}

    def _start_seconds(self) -> float:
        """Starts take their time, and never end at the same moment: each endpoint is a change of its own."""
        self._starts += 1
        return 0.6 + 0.03 * (self._starts % 7)

    def _web(self, process: FakeProcess) -> None:
        """The FastAPI app: listens after a while, and answers its three probes."""

        if self.never_ready:
            self.unready.add(process.pod)

        def answer(path: str) -> int:
            if path == "/readyz" and process.pod in self.unready:
                return 503
            return 500 if path == "/healthz" and process.pod in self.unhealthy else 200

        servers, clock = self.cluster.runtime.network.servers, self.cluster.clock

        def listen() -> None:
            if process.running:
                servers[process.pod] = answer

        def terminate(signum: int) -> None:
            if signum == signal.SIGKILL:
                process.end(137, signum)
            elif not self.deaf or process.pod in servers:
                # uvicorn closes its socket first
                if self.closes_after:
                    clock.call_later(self.closes_after, lambda: servers.pop(process.pod, None) and None)
                else:
                    servers.pop(process.pod, None)
                self._ends += 1
                self.cluster.clock.call_later(0.3 + 0.02 * (self._ends % 5), lambda: process.end(0))

        seconds = self.slow_starts.pop(0) if self.slow_starts else self.listens_after
        self.cluster.clock.call_later(seconds, listen)
        process.on_end.append(lambda: servers.pop(process.pod, None) and None)
        process.on_signal = terminate

    def _pause(self, process: FakeProcess) -> None:
        """The pause image: waits for SIGTERM and leaves well."""
        process.on_signal = lambda signum: process.end(0 if signum == signal.SIGTERM else 137)

    def _shell(self, process: FakeProcess) -> None:
        """The scripts of the recorded Pods, told apart by what they say."""
        clock, script = self.cluster.clock, process.argv[2]
        if "exit 3" in script:
            clock.call_later(1.0, lambda: process.end(3))
        elif script in ("exit 5", "exit 0", "echo no; exit 1"):
            clock.call_later(0.05, lambda: process.end(int(script[-1])))
        elif script in ("echo a; sleep 2", "echo b; sleep 1"):
            clock.call_later(float(script[-1]), lambda: process.end(0))
        elif "bytearray" in script:
            clock.call_later(2.3, lambda: process.end(137, signal.SIGKILL, oom_killed=True))
        elif "'sleep 1; exit 0' TERM" in script:
            process.on_signal = lambda signum: clock.call_later(1.0, lambda: process.end(0)) and None
        elif "rm -f /run/healthy" in script:
            self._files["healthy"] = True
            clock.call_later(12.0, lambda: self._files.update(healthy=False))
            process.ignores.add(signal.SIGTERM)
        elif "trap '' TERM" in script or script == "exec sleep 100000":
            process.ignores.add(signal.SIGTERM)
        elif "exit 0' TERM" in script:
            process.on_signal = lambda signum: process.end(0 if signum == signal.SIGTERM else 137)

    def _hook(self, process: FakeProcess) -> None:
        """A preStop or postStart command: it sleeps, or says something."""
        script = process.argv[2]
        seconds = float(script.split()[1]) if script.startswith("sleep") else 0.0
        self.cluster.clock.call_later(seconds, lambda: process.end(0))

    def _cat(self, process: FakeProcess) -> None:
        def run() -> None:
            if not self._files.get("healthy"):
                process.say("cat: /run/healthy: No such file or directory\n", 2)
            process.end(0 if self._files.get("healthy") else 1)

        self.cluster.clock.call_later(0, run)

    async def apply(self, index: int = 0) -> None:
        for manifest in self.recording["manifests"][index]:
            manifest["metadata"]["namespace"] = "default"
            self.cluster.api.create(manifest["kind"], manifest)
            await self.cluster.settle()

    async def wait(self, seconds: float) -> None:
        await self.cluster.advance(seconds)

    async def patch(self, patch: Manifest, name: str = "web") -> None:
        self.cluster.api.patch("Deployment", name, patch, "strategic", namespace="default")
        await self.cluster.settle()

    async def set_container(self, **fields: Any) -> None:
        found = self.cluster.api.get("Deployment", "web", "default")
        name = found["spec"]["template"]["spec"]["containers"][0]["name"]
        await self.patch({"spec": {"template": {"spec": {"containers": [{"name": name} | fields]}}}})

    async def delete(self, kind: str, name: str, **options: Any) -> None:
        self.cluster.api.delete(kind, name, "default", **options)
        await self.cluster.settle()

    def pod_names(self) -> list[str]:
        """Pods of controllers, oldest first."""
        seen: list[str] = []
        for event in self.cluster.timeline:
            if (
                event.kind == "Pod"
                and event.type == "ADDED"
                and "ownerReferences" in event.object["metadata"]
            ):
                seen.append(event.name)
        return seen

    def timeline(self) -> Timeline:
        changes, told = [], []
        for event in self.cluster.timeline:
            obj = event.object
            if event.kind == "Event":
                about = obj["involvedObject"]
                if about["kind"] != "Node":  # those are in the namespace default, which nobody watched
                    told.append(Told(about["kind"], about["name"], obj["reason"], obj["message"]))
            elif event.kind in KINDS and event.name != "kube-root-ca.crt":
                owners = [o for o in obj["metadata"].get("ownerReferences", ()) if o.get("controller")]
                changes.append(
                    Change(
                        event.type,
                        event.kind,
                        event.name,
                        owners[0]["name"] if owners else "",
                        obj.get("status") or {},
                        obj.get("spec") or {},
                        "deletionTimestamp" in obj["metadata"],
                        obj.get("endpoints") or [],
                    )
                )
        return reduce(changes, told)


Steps = Callable[[Replay], Awaitable[None]]


async def create_3(play: Replay) -> None:
    await play.apply()
    await play.wait(9)


async def rolling_update(play: Replay) -> None:
    await play.apply()
    await play.wait(16)
    await play.set_container(env=[{"name": "VERSION", "value": "v2"}])
    await play.wait(30)


async def rolling_update_default(play: Replay) -> None:
    # On the recorder's two cores, Pods that start together were never ready together.
    play.slow_starts = [5.0, 5.9, 5.93, 5.96, 2.6, 3.6, 2.6, 3.6]
    await rolling_update(play)


async def pod_delete(play: Replay) -> None:
    await play.apply()
    await play.wait(7)
    await play.delete("Pod", play.pod_names()[0])
    await play.wait(8)
    await play.delete("Pod", play.pod_names()[1], grace_period_seconds=0)
    await play.wait(8)


async def readiness_flap(play: Replay) -> None:
    play.listens_after = 1.6
    await play.apply()
    await play.wait(7)
    name = play.pod_names()[1]
    play.unready.add(name)
    await play.wait(5.7)
    play.unready.discard(name)
    await play.wait(3.4)
    play.unhealthy.add(name)
    restarted = len(play.cluster.runtime.started) + 1
    while len(play.cluster.runtime.started) < restarted:
        await play.wait(0.5)
    play.unhealthy.discard(name)
    await play.wait(6)


async def graceful(play: Replay) -> None:
    await play.apply()
    await play.wait(7)
    await play.delete("Pod", play.pod_names()[0])
    await play.wait(10.5)
    for name in ("stubborn", "presleep", "badhook"):
        await play.delete("Pod", name)
        await play.wait(6)


async def deadline(play: Replay) -> None:
    await play.apply()
    await play.cluster.until(lambda: any("Error: ErrImagePull" in m for _, m in play.cluster.events()))
    await play.wait(20)


async def recreate(play: Replay) -> None:
    await play.apply()
    await play.wait(8)
    await play.set_container(env=[{"name": "VERSION", "value": "v2"}])
    await play.wait(9)


async def crash_loops(play: Replay) -> None:
    play.cluster.runtime.start_seconds = lambda: 0.05
    await play.apply()
    # Later the kubelet restarts after a back-off only when it looks at the Pod anyway, up to 90 s late.
    await play.wait(65)


async def paused(play: Replay) -> None:
    await play.apply()
    await play.wait(4.6)
    await play.patch({"spec": {"paused": True}})
    await play.set_container(env=[{"name": "A", "value": "1"}])
    await play.set_container(env=[{"name": "B", "value": "2"}])
    await play.patch({"spec": {"replicas": 3}})
    await play.wait(4)


async def cascade(play: Replay) -> None:
    for index in range(3):
        await play.apply(index)
    await play.wait(4)
    await play.delete("Deployment", "back", propagation_policy="Background")
    await play.wait(6)
    await play.delete("Deployment", "fore", propagation_policy="Foreground")
    await play.wait(8)
    await play.delete("Deployment", "orph", propagation_policy="Orphan")
    await play.wait(2)
    (rs,) = play.cluster.api.list("ReplicaSet", "default", labels={"app": "orph"})
    await play.delete("ReplicaSet", rs["metadata"]["name"], propagation_policy="Orphan")
    await play.wait(2)
    for pod in play.cluster.api.list("Pod", "default", labels={"app": "orph"}):
        await play.delete("Pod", pod["metadata"]["name"])
    await play.wait(3)


async def bad_image(play: Replay) -> None:
    await play.apply()
    await play.wait(16)
    await play.set_container(image="localhost:1/no-such-image:v9")
    await play.cluster.until(lambda: any("Error: ErrImagePull" in m for _, m in play.cluster.events()))
    await play.wait(65)
    await play.set_container(image="python:3.12-slim")  # as `rollout undo` does
    await play.wait(4)


async def bad_readiness(play: Replay) -> None:
    play.listens_after = 21.6  # the recorder's machine was busy: the first rollout was late, too
    play.slow_starts = [20.6]
    await play.apply()
    await play.wait(21.2)
    play.never_ready = True
    play.listens_after = 2.6
    environment = [{"name": "VERSION", "value": "v2"}, {"name": "NEVER_READY", "value": "1"}]
    await play.set_container(env=environment)
    await play.wait(22.7)
    await play.set_container(
        env=[{"name": "VERSION", "value": "v1"}, {"name": "NEVER_READY", "$patch": "delete"}]
    )
    await play.wait(4)


async def init_and_sidecar(play: Replay) -> None:
    await play.apply()
    await play.wait(16)
    await play.delete("Pod", "multi")
    await play.wait(5.5)


async def out_of_memory(play: Replay) -> None:
    await play.apply()
    await play.wait(17)


async def config_propagation(play: Replay) -> None:
    await play.apply()
    await play.wait(26)
    data = {"mode": "two", "file.ini": "x=2\n", "new": "n"}
    play.cluster.api.patch("ConfigMap", "conf", {"data": data}, "merge", namespace="default")
    await play.wait(55)
    await play.apply(1)
    await play.wait(9)
    play.cluster.api.create(
        "ConfigMap", {"metadata": {"name": "nope"}, "data": {"K": "v"}}, namespace="default"
    )
    await play.wait(7.9)


async def service_types(play: Replay) -> None:
    await play.apply()
    await play.wait(16)
    await play.apply(1)
    ports = [{"port": 80, "targetPort": 8000}]
    exposed = {
        "metadata": {"name": "exposed", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": ports},
    }
    play.cluster.api.create("Service", exposed)
    await play.wait(3)
    await play.delete("Service", "cip")
    await play.wait(2)


async def unschedulable(play: Replay) -> None:
    await play.apply()
    await play.wait(0.5)
    await play.apply(1)
    await play.wait(1.2)
    await play.apply(2)
    await play.wait(3.8)
    gates = {"spec": {"schedulingGates": None}}
    play.cluster.api.patch("Pod", "gate", gates, "merge", namespace="default")
    await play.cluster.settle()
    await play.delete("Pod", "hp1")
    await play.wait(4)


async def drain(play: Replay) -> None:
    """What `kubectl drain` does after the cordon: evict whatever has a controller, until all are gone."""
    for pod in play.cluster.api.list("Pod", "default"):
        if "ownerReferences" in pod["metadata"] and pod["spec"].get("nodeName"):
            with contextlib.suppress(TooManyRequests):
                evict(play.cluster.api, pod["metadata"]["name"], "default", DeleteOptions())
                await play.cluster.settle()


async def cordon_and_drain(play: Replay) -> None:
    async def node(**spec: Any) -> None:
        play.cluster.api.patch("Node", "dockyard", {"spec": spec}, "merge")
        await play.cluster.settle()

    await play.apply()
    await play.wait(4.6)
    await node(unschedulable=True)
    await play.patch({"spec": {"replicas": 4}})
    await play.wait(2.5)
    await play.patch({"spec": {"replicas": 3}})
    await play.wait(2.5)
    await drain(play)
    await play.wait(16)
    await node(unschedulable=None)
    await play.wait(1.3)
    await play.delete("PodDisruptionBudget", "pdb")
    await node(unschedulable=True)
    await drain(play)
    await play.wait(2.3)
    await node(unschedulable=None)
    await play.wait(1.8)
    await node(taints=[{"key": "example.test/maint", "value": "yes", "effect": "NoSchedule"}])
    await play.apply(1)
    await play.wait(3)
    await node(taints=None)
    await play.wait(3.2)


async def scale(play: Replay) -> None:
    await play.apply()
    for replicas, seconds in ((5, 2.9), (1, 3.1), (0, 5.7)):
        await play.wait(seconds)
        await play.patch({"spec": {"replicas": replicas}})
    await play.wait(4)


async def update_under_traffic(play: Replay) -> None:
    play.closes_after = 0.08
    await play.apply()
    await play.wait(12)
    play.traffic.start()
    await play.wait(2)
    await play.set_container(env=[{"name": "VERSION", "value": "v2"}])
    await play.wait(38)
    play.traffic.stop()


async def update_without_readiness(play: Replay) -> None:
    play.listens_after = 9.7  # the recorder's machine was busy
    play.deaf = True
    await play.apply()
    await play.wait(4.8)
    play.traffic.start()
    await play.wait(1.9)
    await play.set_container(env=[{"name": "VERSION", "value": "v2"}])
    await play.wait(38.1)
    play.traffic.stop()


async def endpoint_propagation(play: Replay) -> None:
    play.closes_after = 0.08
    await play.apply()
    await play.wait(19.4)
    play.traffic.start()
    await play.wait(1)
    name = play.pod_names()[1]
    play.unready.add(name)
    await play.wait(7)
    play.unready.discard(name)
    await play.wait(4)
    await play.patch({"spec": {"replicas": 3}})
    await play.wait(5.6)
    await play.delete("Pod", name)
    await play.wait(5.7)
    await play.patch({"spec": {"replicas": 0}})
    play.traffic.note("nobody")
    await play.wait(6.4)
    await play.patch({"spec": {"replicas": 1}})
    await play.cluster.advance(6.7)
    play.traffic.note("again")
    await play.set_container(image="localhost:1/x:y")
    await play.cluster.until(lambda: any("Error: ErrImagePull" in m for _, m in play.cluster.events()))
    await play.wait(28)
    play.traffic.stop()


SCENARIOS: dict[str, Steps] = {
    "deployment-create-3": create_3,
    "rolling-update-good-surge1-unavail0": rolling_update,
    "pod-delete-replaced": pod_delete,
    "readiness-flap": readiness_flap,
    "graceful-termination": graceful,
    "progress-deadline-exceeded": deadline,
    "recreate-strategy": recreate,
    "liveness-failure-crashloop": crash_loops,
    "paused-rollout": paused,
    "delete-cascade": cascade,
    "pod-unschedulable": unschedulable,
    "taint-and-cordon-drain": cordon_and_drain,
    "rolling-update-good-default": rolling_update_default,
    "rolling-update-good-surge0-unavail1": rolling_update,
    "rolling-update-good-surge50pct-unavail25pct": rolling_update,
    "rolling-update-bad-image": bad_image,
    "rolling-update-bad-readiness": bad_readiness,
    "init-and-sidecar": init_and_sidecar,
    "oom-killed": out_of_memory,
    "config-propagation": config_propagation,
    "service-types": service_types,
    "deployment-scale": scale,
    "traffic-endpoint-propagation": endpoint_propagation,
    "traffic-rolling-update-no-readiness": update_without_readiness,
    "traffic-rolling-update-plain": update_under_traffic,
    "traffic-rolling-update-prestop": update_under_traffic,
}

# What differs and stays so, with the reason. (scenario, role) -> reason.
DIFFERENCES = known("timelines")


def alike(ours: list[Any], recorded: list[Any]) -> bool:
    """Replicas differ among themselves by chance, so each of ours has to be like one of the recorded ones."""
    return len(ours) == len(recorded) and all(sequence in recorded for sequence in ours)


def by_chance(event: list[str]) -> bool:
    """Whether an Event depends on chance: a probe at a closing socket, another scenario's taint."""
    if event[1] == "FailedScheduling":
        return event[0] == "Pod/missing-cm"
    failures = ("connection refused", "context deadline exceeded")
    return event[1] == "Unhealthy" and any(failure in event[2] for failure in failures)


def test_every_recording_is_played() -> None:
    assert {path.stem for path in RECORDINGS.glob("*.json")} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_objects_go_through_what_was_recorded(name: str, tmp_path: Path) -> None:
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    cluster = await FakeCluster(tmp_path, offer={"cpu": "2", "memory": "24684084Ki"}).start()
    cluster.timeline.clear()
    play = Replay(cluster, recording)
    await SCENARIOS[name](play)
    ours = json.loads(json.dumps(play.timeline()._asdict()))
    await cluster.stop()
    assert ours["objects"], "nothing was played"
    different = {
        role: (ours["objects"].get(role), recording["objects"].get(role))
        for role in ours["objects"].keys() | recording["objects"].keys()
        if alike(ours["objects"].get(role, []), recording["objects"].get(role, []))
        == ((name, role) in DIFFERENCES)
    }
    missing = [e for e in recording["events"] if e not in ours["events"] and not by_chance(e)]
    added = [event for event in ours["events"] if event not in recording["events"]]
    assert (different, missing, added) == ({}, [], [])
