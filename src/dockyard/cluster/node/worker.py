"""A pod worker: one Pod's life on the node as a small state machine over the runtime.

Everything that decides is synchronous and is called again whenever something happened: the Pod changed, a
container started or ended, a probe answered, a timer fired. What takes time runs beside it in tasks.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import Any

from dockyard.cluster.disruptiontarget import mark
from dockyard.cluster.errors import ApiError, Conflict, NotFound
from dockyard.cluster.node import containerlife, podsetup
from dockyard.cluster.node.backoff import go_duration
from dockyard.cluster.node.container import CRASH_LOOP, Container, Role, containers_of
from dockyard.cluster.node.launch import Prepared
from dockyard.cluster.node.order import all_done, due
from dockyard.cluster.node.prober import LIVENESS, READINESS, STARTUP
from dockyard.cluster.node.ranking import EVICTED
from dockyard.cluster.node.services import Node
from dockyard.cluster.node.status import Facts, pod_status
from dockyard.cluster.node.volumes import Volumes
from dockyard.cluster.podstate import is_finished, is_terminating
from dockyard.cluster.store import Manifest
from dockyard.runtime.errors import RuntimeFailure
from dockyard.wire.clock import rfc3339

# A Pod is looked at this often although nothing happened; upstream's 60 s and half its jitter.
RESYNC_SECONDS = 75.0
# What a Pod that was removed by force, or evicted at once, still gets.
_LEAST_GRACE = 1.0

logger = logging.getLogger(__name__)


class PodWorker:
    """Runs one Pod. The agent calls `update` and `removed`; the rest is between the worker and its tasks."""

    def __init__(self, node: Node, pod: Manifest) -> None:
        self.node = node
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.containers = containers_of(pod)
        self.prepared: dict[str, Prepared] = {}
        self.volumes = Volumes(node.api, node.directory(pod) / "volumes", node.host_paths)
        self.address = ""
        self.shown_address = ""
        self.sandbox_ready = False
        self.stopping = False
        self.over = is_finished(pod)
        self.evicted = ""  # why
        self.ended = asyncio.Event()
        self._gone = False
        self._shut = False
        self._cleaning = False
        self._setup: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._naps: set[asyncio.Future[None]] = set()
        self._grace_ends = 0.0
        podsetup.restore(self.containers, pod["status"], node.clock.now())

    # -- called by the agent

    def update(self, pod: Manifest) -> None:
        """The Pod was created or changed."""
        self.pod = pod
        self._take_changes(pod)
        if is_terminating(pod):
            self.terminate(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        else:
            self.sync()

    def _take_changes(self, pod: Manifest) -> None:
        specs = {c["name"]: c for c in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]}
        for container in self.containers:
            before, container.spec = container.spec, specs.get(container.name, container.spec)
            if before["image"] != container.spec["image"] and container.is_running and not container.stopping:
                message = f"Container {container.name} definition changed, will be restarted"
                self.report("Normal", "Killing", message, container)
                container.killed_by_probe = True  # like a failed probe: killed and restarted in one go
                grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
                self.stop(container, grace)
        # Differs: a debugging container has its own processes; `targetContainerName` shows it no others.
        known = {container.name for container in self.containers}
        self.containers += [c for c in containers_of(pod) if c.role is Role.EPHEMERAL and c.name not in known]

    def removed(self) -> None:
        """The Pod is gone from the API, by force: end what still runs."""
        self._gone = True
        self.terminate(_LEAST_GRACE)

    def shut_down(self) -> None:
        """Forget everything at once: the runtime ends the processes, and a later daemon starts them again."""
        self._gone = self._shut = True
        self.stopping = True
        for container in self.containers:
            self.stop_probes(container)
            self._cancel_timers(container)
        for task in list(self._tasks):
            task.cancel()

    # -- deciding

    def sync(self, *, quiet: bool = False) -> None:
        """Report what is (a Pod that ends may be `quiet`), then take the next steps to what should be."""
        if self.over or self._shut:
            return
        if self.stopping:
            self._stop_next()
            if not self._cleaning and not quiet:
                self.publish()
            return
        self.publish()
        if not self.address:
            if self._setup is None:
                self._setup = self.spawn(podsetup.set_up(self))
            return
        for container in due(self.containers, self.pod["spec"]["restartPolicy"]):
            self._start(container)
        if all_done(self.containers, self.pod["spec"]["restartPolicy"]):
            self.terminate(None)

    def _start(self, container: Container) -> None:
        if container.busy or container.is_running or container.wake is not None:
            return
        if container.finished_at is not None:
            now = self.node.clock.now()
            left = container.crashes.remaining(now, container.finished_at)
            if left > 0.001:  # a timer's rounding is no reason to wait again
                self.back_off(container, left)
                return
            container.crashes.next(now, container.finished_at)
        container.busy = True
        self.spawn(containerlife.start(self, container))

    def back_off(self, container: Container, left: float) -> None:
        """Say that a restart waits, and look again when it need not, or when the Pod is looked at anyway."""
        message = f"Back-off restarting failed container {container.name} in pod {self._full_name()}"
        self.report("Warning", "BackOff", message, container)

        def look_again() -> None:
            # Only now is the reason shown: as in Kubernetes, a crash loop reads `Error` for most of its time.
            container.wake = None
            container.note_waiting(CRASH_LOOP, self.crash_loop_text(container))
            self.sync()

        container.wake = self.node.clock.call_later(min(left, RESYNC_SECONDS), look_again)

    def crash_loop_text(self, container: Container) -> str:
        """The message beside the reason CrashLoopBackOff."""
        delay = go_duration(container.crashes.delay)
        return f"back-off {delay} restarting failed container={container.name} pod={self._full_name()}"

    def _full_name(self) -> str:
        metadata = self.pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({self.uid})"

    def wake_later(self, container: Container, seconds: float) -> None:
        """Start the container again, `seconds` from now."""

        def look_again() -> None:
            container.wake = None
            self.sync()

        container.wake = self.node.clock.call_later(seconds, look_again)

    def refresh_volumes(self) -> None:
        """Bring ConfigMap, Secret and downward API volumes up to date; what is missing meanwhile stays."""
        if self.address and not self.stopping:
            podsetup.refresh_volumes(self)

    # -- probes

    def heard(self, container: Container, kind: str, healthy: bool) -> None:
        """A probe's answer passed its threshold."""
        if kind == READINESS:
            if container.ready != healthy and container.is_running:
                container.ready = healthy
                self.sync()
                if not healthy:
                    # Each look at an unready Pod asks once more, out of turn.
                    for prober in list(container.probers):
                        if prober.kind == READINESS:
                            prober.trigger()
        elif healthy:
            if kind == STARTUP and not container.started:
                containerlife.note_started(self, container)
        elif container.is_running and not self.stopping:
            message = f"Container {container.name} failed {kind} probe, will be restarted"
            self.report("Normal", "Killing", message, container)
            self.stop_probes(container)
            container.killed_by_probe = True
            probe = container.spec[f"{kind}Probe"]
            default = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
            grace = probe.get("terminationGracePeriodSeconds", default)
            self.stop(container, float(grace))

    def stop_probes(self, container: Container, *kinds: str) -> None:
        """End the container's probes, all or those of these kinds."""
        for prober in container.probers:
            if not kinds or prober.kind in kinds:
                prober.stop()
        container.probers = [p for p in container.probers if kinds and p.kind not in kinds]

    # -- ending

    def evict(self, why: str) -> None:
        """End the Pod for the node's sake; what is left of it stays in the API as Failed."""
        self.report("Warning", EVICTED, why)
        try:
            self.pod = mark(self.node.api, self.pod, "TerminationByKubelet", why)
        except NotFound:
            return  # somebody was faster
        self.evicted = why
        self.terminate(_LEAST_GRACE)

    def terminate(self, grace: float | None) -> None:
        """End all containers, each with `grace` seconds; None when they have ended by themselves."""
        clock = self.node.clock
        if self.over:
            self._leave()
            return
        if self.stopping:
            if grace is not None and clock.monotonic() + grace < self._grace_ends:
                self._grace_ends = clock.monotonic() + grace
                for container in self.containers:
                    if container.stopping:
                        containerlife.kill_later(self, container, grace)
            if not self._gone:
                self.publish()
            return
        if grace is not None:
            self.publish()
        self.stopping = True
        default = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        self._grace_ends = clock.monotonic() + (grace if grace is not None else default)
        if self._setup is not None:
            self._setup.cancel()
        for nap in self._naps:
            if not nap.done():
                nap.set_result(None)
        for container in self.containers:
            self._cancel_timers(container)
            # Readiness goes on, so that the endpoints keep saying whether the Pod still serves.
            self.stop_probes(container, STARTUP, LIVENESS)
        self._stop_next()

    def _stop_next(self) -> None:
        """Stop the main containers together and then the sidecars, the last one first; then clean up."""
        rest = [c for c in self.containers if c.is_running or c.busy]
        main = [c for c in rest if c.role is not Role.SIDECAR]
        grace = max(0.0, self._grace_ends - self.node.clock.monotonic())
        for container in main or rest[-1:]:
            if container.is_running and not container.stopping:
                self.report("Normal", "Killing", f"Stopping container {container.name}", container)
                self.stop(container, grace)
        if not rest and not self._cleaning:
            self._cleaning = True
            self.spawn(self._clean_up())

    def stop(self, container: Container, grace: float) -> None:
        """Begin to end a running container; once is enough."""
        if not container.stopping:
            container.stopping = True
            self.spawn(containerlife.stop(self, container, grace))

    async def _clean_up(self) -> None:
        for container in self.containers:
            self.stop_probes(container)
        await self.lose_containers()
        self.node.runtime.network.detach(self.uid)
        self.sandbox_ready = False
        self.over = True
        self.publish()
        if self._gone or is_terminating(self.pod):
            # Controllers see that the Pod has ended before it is gone, as they do on a real cluster.
            await asyncio.sleep(0)
            self._leave()

    async def lose_containers(self) -> None:
        """Kill and remove whatever there is of the Pod's containers, without a word to the API."""
        for container in self.containers:
            prepared = self.prepared.pop(container.name, None)
            if prepared is None:
                continue
            try:
                await self.node.runtime.remove(prepared.spec.id)
                await self.node.in_thread(self.node.runtime.snapshots.remove, prepared.spec.id)
            except (RuntimeFailure, OSError) as error:
                # Files that stay behind must not keep the Pod in the API for ever.
                logger.warning("pods/%s: %s: %s", self.pod["metadata"]["name"], container.name, error)

    def _leave(self) -> None:
        """Nothing of the Pod runs any more: let the API forget it, and forget it here."""
        if not self._gone:
            self._gone = True
            metadata = self.pod["metadata"]
            try:
                self.node.api.delete(
                    "Pod",
                    metadata["name"],
                    metadata["namespace"],
                    grace_period_seconds=0,
                    preconditions={"uid": self.uid},
                )
            except (NotFound, Conflict):
                pass  # somebody was faster
        self.volumes.remove()
        containerlife.remove_files(self)
        self.ended.set()

    # -- telling

    def publish(self) -> None:
        """Write the Pod's status when it changed."""
        if self._gone:
            return
        metadata = self.pod["metadata"]
        current = self.node.api.find("Pod", metadata["name"], metadata["namespace"])
        if current is None or current["metadata"]["uid"] != self.uid:
            return
        facts = Facts(
            now=rfc3339(self.node.clock.now()),
            host_ip=self.node.host_ip,
            pod_ip=self.shown_address,
            sandbox_ready=self.sandbox_ready,
            over=self.over,
            leaving=self.stopping,
            evicted=self.evicted,
        )
        status = pod_status(current, self.containers, facts)
        if status == current["status"]:
            return
        self.pod = current | {"status": status}
        try:
            self.pod = self.node.api.update_status("Pod", self.pod)
        except ApiError as error:
            logger.warning("pods/%s: cannot write the status: %s", metadata["name"], error)

    async def nap(self, seconds: float) -> None:
        """Sleep, but no longer than until the Pod has to end."""
        if self.stopping:
            return
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.node.clock.call_later(seconds, lambda: None if nap.done() else nap.set_result(None))
        self._naps.add(nap)
        try:
            await nap
        finally:
            timer.cancel()
            self._naps.discard(nap)

    def report(self, type: str, reason: str, message: str, container: Container | None = None) -> None:
        """An Event about the Pod or one of its containers."""
        if not self._gone:
            self.node.report(self.pod, type, reason, message, container.field_path if container else "")

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside the worker until it ends or the worker shuts down."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("pods/%s: a bug of ours", self.pod["metadata"]["name"], exc_info=error)

    @staticmethod
    def _cancel_timers(container: Container) -> None:
        if container.wake is not None:
            container.wake.cancel()
            container.wake = None

    @staticmethod
    def new_container_id() -> str:
        """64 hexadecimal digits, as containerd's."""
        return secrets.token_hex(32)
