"""What a Pod needs before its first container: its past, its volumes, its place in the network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dockyard.cluster.node.checks import Target
from dockyard.cluster.node.container import Container
from dockyard.cluster.node.services import GROUP
from dockyard.cluster.node.volumes import VolumeError
from dockyard.cluster.store import Manifest
from dockyard.runtime.network import UnknownSandboxError

if TYPE_CHECKING:
    from dockyard.cluster.node.worker import PodWorker

_MOUNT_FIRST, _MOUNT_MOST = 0.5, 122.0

logger = logging.getLogger(__name__)


def restore(containers: Sequence[Container], status: Manifest, now: float) -> None:
    """Give containers the past that an earlier daemon reported in the Pod's status."""
    fields = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    known = {s["name"]: s for field in fields for s in status.get(field, ())}
    for container in containers:
        if container.name in known:
            container.restore(known[container.name], now)


async def set_up(worker: PodWorker) -> None:
    """Mount the volumes, with back-off while an object is missing, and join the network."""
    delay = _MOUNT_FIRST
    while True:
        try:
            async with worker.node.places:
                worker.volumes.set_up(worker.pod)
            break
        except VolumeError as error:
            worker.report("Warning", "FailedMount", str(error))
            await worker.node.clock.sleep(delay)
            delay = min(delay * 2, _MOUNT_MOST)
    namespace = worker.pod["metadata"]["namespace"]
    domains = [f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    previous = worker.pod["status"].get("podIP")
    network = worker.node.runtime.network
    sandbox = network.attach(worker.uid, groups=(GROUP,), address=previous, search=domains)
    worker.address = worker.volumes.pod_ip = sandbox.address
    if previous is not None:
        worker.report("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
    worker.sync()


def refresh_volumes(worker: PodWorker) -> None:
    """Bring projected volumes up to date; what is missing meanwhile stays as it was."""
    try:
        worker.volumes.set_up(worker.pod)
    except VolumeError as error:
        logger.debug("pods/%s: %s", worker.pod["metadata"]["name"], error)


def target(worker: PodWorker) -> Target:
    """How the node reaches this Pod's ports."""

    async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await worker.node.runtime.network.dial(worker.uid, port)
        except UnknownSandboxError as error:
            raise ConnectionRefusedError(str(error)) from error

    return Target(worker.address, dial)
