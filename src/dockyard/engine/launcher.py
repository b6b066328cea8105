"""What a container needs around its process: files, networks, ports, a log; given, and taken back."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine import create, mounts, resources, rootfs
from dockyard.engine.attachment import Attachment
from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, EngineError, Failed
from dockyard.engine.events import Events
from dockyard.engine.logging_driver import ContainerLog
from dockyard.engine.networks import Networks
from dockyard.engine.ports import Publishing
from dockyard.engine.registry import Registry
from dockyard.engine.volumes import Volumes
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.process import Process
from dockyard.runtime.spec import ContainerSpec, ProcessSpec
from dockyard.wire.clock import Clock

if TYPE_CHECKING:
    from dockyard.runtime.runtime import Runtime

logger = logging.getLogger(__name__)

_START_FAILED = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: error during container init: "
)


class Launcher:
    """Brings the containers of one engine onto the runtime."""

    def __init__(
        self,
        runtime: Runtime,
        registry: Registry,
        networks: Networks,
        volumes: Volumes,
        events: Events,
        logs: Path,
        clock: Clock,
    ) -> None:
        self._runtime = runtime
        self._registry = registry
        self._networks = networks
        self._volumes = volumes
        self._events = events
        self._logs = logs
        self._clock = clock
        self._publishing = Publishing(runtime.network)
        self._attachment = Attachment(runtime.network, registry, networks, events)

    def log(self, container: Container) -> ContainerLog:
        """Return the log of a container."""
        if container.log is None:
            chosen = container.host_config["LogConfig"]
            container.log = ContainerLog(
                self._logs / f"{container.id}.log",
                self._clock,
                kept=chosen["Type"] != "none",
                options=chosen.get("Config"),
            )
        return container.log

    # Creation.
    async def prepare(self, container: Container) -> None:
        """Give a new container its root file system, and its new volumes the image's files."""
        image = self._runtime.images.get(container.document["Image"])
        overlay = self._runtime.driver.traits.overlay
        prepared = await asyncio.to_thread(self._runtime.snapshots.prepare, container.id, image)
        if container.config["WorkingDir"]:
            rootfs.make_directory(prepared, container.config["WorkingDir"], overlay=overlay)
        for mount in container.mounts:
            if mounts.is_filled(container, mount):
                directory = self._volumes.source(mount["Name"])
                await asyncio.to_thread(rootfs.fill_volume, prepared, mount["Destination"], directory)

    async def launch(self, container: Container) -> Process:
        """Start a container's process, with all that it needs.

        Raises:
            EngineError, RuntimeFailure: it cannot be started; `release` takes back what it has got.
        """
        for mount in container.mounts:
            if mount["Type"] == "volume":
                self.volume_event(container, mount, "mount")
        sandbox = self._attachment.enter(container)
        if container.host_config["NetworkMode"] != "host":  # there all ports are the machine's own
            await self._publishing.publish(container)
        snapshot = self._runtime.snapshots.get(container.id)
        if snapshot is None:
            raise Failed(f"the root file system of container {container.id} is gone")
        config, host_config = container.config, container.host_config
        rows, columns = host_config["ConsoleSize"] or (0, 0)
        spec = ContainerSpec(
            id=container.id,
            rootfs=snapshot,
            process=ProcessSpec(
                argv=(container.document["Path"], *container.document["Args"]),
                env={**self._attachment.link_environment(container), **create.environment(config)},
                cwd=config["WorkingDir"] or "/",
                user=config["User"],
                tty=config["Tty"],
                stdin=config["OpenStdin"],
                size=(rows, columns),
            ),
            sandbox=sandbox,
            hostname=config["Hostname"],
            mounts=mounts.runtime_mounts(container, self._volumes),
            limits=resources.limits(host_config),
            read_only=host_config["ReadonlyRootfs"],
            cap_drop=tuple(host_config["CapDrop"] or ()),
            cap_add=tuple(host_config["CapAdd"] or ()),
            hosts=tuple(self._attachment.hosts(container)),
            init=bool(host_config.get("Init")),
            privileged=bool(host_config["Privileged"]),
            no_new_privileges=resources.no_new_privileges(host_config),
            groups=tuple(str(group) for group in host_config["GroupAdd"] or ()),
            ulimits=resources.ulimits(host_config),
            oom_score_adj=host_config["OomScoreAdj"] or 0,
            shm_size=host_config["ShmSize"] or 64 << 20,
            sysctls=resources.sysctls(host_config),
        )
        process = await self._runtime.run(spec)
        # One subscription for both: what the process said before it is given to the first one only.
        container.streams.connect(process, self.log(container).recorder())
        return process

    def join(self, container: Container, network: str) -> None:
        """Put a running container on one more network. Raises Forbidden when its address is taken."""
        self._attachment.join(container, network)

    def leave(self, container: Container, network: str) -> None:
        """Take a running container off a network."""
        self._attachment.leave(container, network)

    def volume_event(self, container: Container, mount: dict[str, object], action: str) -> None:
        about = {"container": container.id, "driver": "local"}
        if action == "mount":
            about |= {"destination": str(mount["Destination"]), "propagation": ""}
            about["read/write"] = "true" if mount["RW"] else "false"
        self._events.publish("volume", action, str(mount["Name"]), about)

    async def release(self, container: Container) -> None:
        """Take back what a running container has: ports, names, address."""
        await self._publishing.withdraw(container)
        self._attachment.release(container)


def explain(failure: Exception) -> tuple[EngineError, int]:
    """Return what the API answers to a failed start, and the exit code that the container gets."""
    if isinstance(failure, StartError):
        if failure.message.startswith("unable to find"):
            return Failed(failure.message), 128
        return BadParameter(_START_FAILED + failure.message), failure.code
    if isinstance(failure, EngineError):
        return failure, 128
    if isinstance(failure, RuntimeFailure):
        return Failed(str(failure)), 128
    logger.exception("a container could not be started", exc_info=failure)
    return Failed(f"{type(failure).__name__}: {failure}"), 128
