"""Node-pressure eviction: when a node's memory runs short, one Pod after the other has to go.

Source: the kubelet's eviction manager (pkg/kubelet/eviction/eviction_manager.go), for memory.available.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from dockyard.cluster.node.ranking import (
    EVICTED,
    MEMORY_PRESSURE,
    THRESHOLD,
    Consumer,
    is_critical,
    is_refused,
    ranked,
    verdict,
)
from dockyard.cluster.node.services import Node
from dockyard.cluster.node.worker import PodWorker
from dockyard.cluster.quantity import whole
from dockyard.cluster.store import Manifest
from dockyard.runtime.errors import RuntimeFailure
from dockyard.wire.clock import Timer

# Upstream's: how often it looks, how long it waits for an evicted Pod to be gone, and for how long the
# condition stays after the shortage is over (--eviction-pressure-transition-period).
LOOK_SECONDS = 10.0
GONE_SECONDS = 30.0
TRANSITION_SECONDS = 300.0
_POLL_SECONDS = 1.0

logger = logging.getLogger(__name__)


class EvictionManager:
    """Looks at what the Pods of a node hold, against the memory that the node was given.

    Differs: only a node with memory of its own can be short of it. The others offer all that the machine has,
    and share it with what isn't theirs. Between two looks Pods may hold more than the node has, as no kernel
    begins to kill when it is all used up.
    """

    def __init__(
        self, node: Node, workers: Callable[[], Collection[PodWorker]], told: Callable[[bool], None]
    ) -> None:
        """`told` is called after each look with whether the node is short of memory."""
        self._node = node
        self._workers = workers
        self._told = told
        self._capacity = whole(node.offer["memory"]) if "memory" in node.offer else 0
        self._short_at: float | None = None  # when it was last seen to be short
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look every ten seconds from now on."""
        if self._capacity:
            self._timer = self._node.clock.call_later(LOOK_SECONDS, self._begin)

    def stop(self) -> None:
        """Look no more; a restarted node has forgotten that it was short."""
        self._short_at = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    @property
    def is_short(self) -> bool:
        """Whether memory is short, or was a short time ago."""
        now = self._node.clock.monotonic()
        return self._short_at is not None and now - self._short_at < TRANSITION_SECONDS

    def reject(self, pod: Manifest) -> bool:
        """Refuse a Pod that has just come, if the node must; whether it did."""
        if not self.is_short or not is_refused(pod):
            return False
        why = f"The node had condition: [{MEMORY_PRESSURE}]. "
        self._node.report(pod, "Warning", EVICTED, why)
        status = {"phase": "Failed", "reason": EVICTED, "message": f"Pod was rejected: {why}"}
        self._node.api.update_status("Pod", pod | {"status": {**pod["status"], **status}})
        return True

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            while (evicted := await self._relieve()) is not None:
                await self._wait_until_gone(evicted)
        except Exception:
            logger.exception("nodes/%s: a bug of ours", self._node.name)
        self._timer = self._node.clock.call_later(LOOK_SECONDS, self._begin)

    async def _relieve(self) -> PodWorker | None:
        """Look once, and evict one Pod if memory is short; its worker."""
        consumers = [await self._measure(worker) for worker in list(self._workers()) if not worker.over]
        available = max(0, self._capacity - sum(consumer.total for consumer in consumers))
        short = available < THRESHOLD
        if short:
            self._short_at = self._node.clock.monotonic()
        self._told(self.is_short)
        if not short:
            return None
        node = self._node.api.find("Node", self._node.name)
        if node is not None:
            self._node.report(node, "Warning", "EvictionThresholdMet", "Attempting to reclaim memory")
        for consumer in ranked(consumers):
            worker: PodWorker = consumer.handle
            if worker.stopping or is_critical(consumer.pod):
                continue
            worker.evict(verdict(consumer, available))
            return worker
        return None

    async def _measure(self, worker: PodWorker) -> Consumer:
        used: dict[str, int] = {}
        for container in worker.containers:
            prepared = worker.prepared.get(container.name)
            if not container.is_running or prepared is None:
                continue
            try:
                usage = await self._node.runtime.usage(prepared.spec.id)
            except (RuntimeFailure, OSError):
                continue  # it ends just now
            used[container.name] = max(0, usage.memory - usage.cache)
        return Consumer(worker.pod, used, worker)

    async def _wait_until_gone(self, worker: PodWorker) -> None:
        clock = self._node.clock
        end = clock.monotonic() + GONE_SECONDS
        while not worker.over and clock.monotonic() < end:
            await clock.sleep(_POLL_SECONDS)
