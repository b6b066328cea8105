"""Asks the runtime, every fifteen seconds, what each running container uses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Key
from dockyard.cluster.metrics.readings import RESOLUTION_SECONDS, Sample
from dockyard.cluster.podstate import unix
from dockyard.cluster.store import Event, Manifest

logger = logging.getLogger(__name__)


class Usage(Protocol):
    """What a container uses: nanoseconds of CPU since its start, bytes now, and those of them in caches."""

    @property
    def cpu(self) -> int: ...
    @property
    def memory(self) -> int: ...
    @property
    def cache(self) -> int: ...


class Runtime(Protocol):
    """The part of the runtime that keeps accounts."""

    async def usage(self, container_id: str) -> Usage: ...


class _Running(NamedTuple):
    uid: str
    container: str
    id: str
    started_at: float


class Scraper:
    """A loop without objects of its own, on the manager's clock."""

    name = "metrics"

    def __init__(self, api: Api, runtime: Runtime) -> None:
        self._api = api
        self._runtime = runtime
        self._task: asyncio.Task[None] | None = None

    def existing(self) -> Iterable[Key]:
        return (Key("", "scrape"),)

    def keys(self, event: Event) -> Iterable[Key]:
        return ()

    def reconcile(self, key: Key) -> float:
        """Begin a scrape, unless the last one still goes on."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._scrape())
        return RESOLUTION_SECONDS

    def stop(self) -> None:
        """End a scrape that goes on."""
        if self._task is not None:
            self._task.cancel()

    async def _scrape(self) -> None:
        samples: dict[str, dict[str, Sample]] = {}
        for running in list(_running(self._api.list("Pod"))):
            try:
                usage = await self._runtime.usage(running.id)
            except Exception as error:
                # It may have ended since its status was written; its Pod's next status says so.
                logger.debug("container %s of pod %s: %s", running.container, running.uid, error)
                continue
            now = self._api.clock.now()
            # As the kubelet's working set: without the file cache that could be dropped at once.
            memory = max(0, usage.memory - usage.cache)
            sample = Sample(now, running.started_at, usage.cpu, memory)
            samples.setdefault(running.uid, {})[running.container] = sample
        self._api.readings.take(samples)


def _running(pods: Iterable[Manifest]) -> Iterator[_Running]:
    for pod in pods:
        status = pod.get("status", {})
        for field in ("initContainerStatuses", "containerStatuses"):
            for found in status.get(field) or ():
                state = found.get("state", {}).get("running")
                if state and found.get("containerID"):
                    id = found["containerID"].rpartition("//")[2]
                    yield _Running(pod["metadata"]["uid"], found["name"], id, unix(state["startedAt"]))
