"""The node agent: registers its node, gives every Pod bound to it a worker, and can lose its power."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable

from dockyard.cluster.manager import Key, key_of
from dockyard.cluster.node.eviction import EvictionManager
from dockyard.cluster.node.registration import Registration
from dockyard.cluster.node.services import Node
from dockyard.cluster.node.worker import PodWorker
from dockyard.cluster.podstate import is_finished, is_terminating
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import Timer

# ConfigMap and Secret volumes follow their objects at the next periodic look, as on a kubelet.
RESYNC_SECONDS = 60.0

logger = logging.getLogger(__name__)


class NodeAgent:
    """One node's kubelet, as a controller on the shared queue: one key a Pod, and one for the node itself."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.name = f"node {node.name}"
        self.is_on = True
        self.workers: dict[str, PodWorker] = {}
        self._names: dict[Key, str] = {}
        self._registration = Registration(node)
        self._eviction = EvictionManager(
            node, self.workers.values, lambda short: self._registration.note_memory(short=short)
        )
        self._resync: Timer | None = None
        self._lost: list[str] = []  # uids of the Pods that ran when the power went

    def start(self) -> None:
        """Register the node. Call it on the running event loop, before the manager runs."""
        self._registration.start()
        self._eviction.start()
        self._resync = self.node.clock.call_later(RESYNC_SECONDS, self._look_at_all)

    async def stop(self) -> None:
        """Let go of all Pods without ending them in the API: the runtime ends their processes."""
        self._registration.stop()
        self._eviction.stop()
        if self._resync is not None:
            self._resync.cancel()
        for worker in list(self.workers.values()):
            worker.shut_down()
        await asyncio.sleep(0)
        self.workers.clear()

    # -- a machine that can be off

    async def power_off(self) -> None:
        """Take the node's power away: nothing of it answers any more, and the API isn't told."""
        if not self.is_on:
            return
        self.is_on = False
        self._registration.stop()
        self._eviction.stop()
        if self._resync is not None:
            self._resync.cancel()
        workers = list(self.workers.values())
        self._lost += self.workers
        self.workers.clear()
        self._names.clear()
        # First no packet leaves it, then its processes end: a machine without power closes no connection.
        self.node.runtime.network.cut([worker.uid for worker in workers])
        for worker in workers:
            worker.shut_down()
        await asyncio.sleep(0)  # what they had begun is cancelled now
        for worker in workers:
            await worker.lose_containers()
        logger.info("nodes/%s: off", self.node.name)

    def power_on(self) -> None:
        """Boot the node again. What is `existing` then has to be looked at."""
        if self.is_on:
            return
        self._forget_lost({pod["metadata"]["uid"] for pod in self.node.api.list("Pod") if self._is_here(pod)})
        self.is_on = True
        self.start()
        logger.info("nodes/%s: on", self.node.name)

    async def scrap(self) -> None:
        """Take the node's power away for good, and remove what is left of its Pods on the machine."""
        await self.power_off()
        self._forget_lost(set())

    def _forget_lost(self, there: set[str]) -> None:
        """Free what the lost Pods still hold; the files of those that are `there` stay."""
        for uid in self._lost:
            self.node.runtime.network.restore([uid])
            self.node.runtime.network.detach(uid)
            if uid not in there:
                shutil.rmtree(self.node.root / "pods" / uid, ignore_errors=True)
        self._lost.clear()

    # -- a controller of Pods

    def existing(self) -> Iterable[Key]:
        if not self.is_on:
            return ()
        return [key_of(pod) for pod in self.node.api.list("Pod") if self._is_here(pod)]

    def keys(self, event: Event) -> Iterable[Key]:
        if not self.is_on:
            return ()
        if event.kind == "Node" and event.name == self.node.name and event.type == "MODIFIED":
            return (Key("", event.name),)
        if event.kind != "Pod":
            return ()
        key = Key(event.namespace, event.name)
        return (key,) if key in self._names or self._is_here(event.object) else ()

    def reconcile(self, key: Key) -> None:
        """Hand the Pod as it is now to its worker; a key without a namespace is the node itself."""
        if not self.is_on:
            return
        if not key.namespace:
            self._registration.note_cordon()
            return
        pod = self.node.api.find("Pod", key.name, key.namespace)
        known = self._names.get(key)
        if known is not None and (pod is None or pod["metadata"]["uid"] != known):
            del self._names[key]
            worker = self.workers.get(known)
            if worker is not None:
                worker.removed()
                self._forget_later(worker)
        if pod is None or not self._is_here(pod):
            return
        uid = pod["metadata"]["uid"]
        worker = self.workers.get(uid)
        if worker is None:
            if is_finished(pod) and not is_terminating(pod):
                self._names[key] = uid
                self.workers[uid] = PodWorker(self.node, pod)
                return
            if not is_terminating(pod) and self._eviction.reject(pod):
                return
            worker = PodWorker(self.node, pod)
            self.workers[uid], self._names[key] = worker, uid
        worker.update(pod)

    def worker_of(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of a Pod, or None when it isn't here."""
        uid = self._names.get(Key(namespace, name))
        return self.workers.get(uid) if uid is not None else None

    def _is_here(self, pod: Manifest) -> bool:
        return bool(pod["spec"].get("nodeName") == self.node.name)

    def _forget_later(self, worker: PodWorker) -> None:
        async def forget() -> None:
            await worker.ended.wait()
            self.workers.pop(worker.uid, None)

        worker.spawn(forget())

    def _look_at_all(self) -> None:
        self._resync = self.node.clock.call_later(RESYNC_SECONDS, self._look_at_all)
        for worker in list(self.workers.values()):
            worker.refresh_volumes()
            worker.sync()
