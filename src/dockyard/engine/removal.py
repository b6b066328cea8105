"""The end of a container: its files, its log, its anonymous volumes, and those who waited for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dockyard.engine.container import Container
from dockyard.engine.errors import Conflict, NotFound
from dockyard.engine.events import Events
from dockyard.engine.launcher import Launcher
from dockyard.engine.registry import Registry
from dockyard.engine.volumes import ANONYMOUS, Volumes

if TYPE_CHECKING:
    from dockyard.runtime.runtime import Runtime


class Removal:
    """Removes containers that do not run; whoever asks holds the container's lock."""

    def __init__(
        self, runtime: Runtime, launcher: Launcher, registry: Registry, volumes: Volumes, events: Events
    ) -> None:
        self._runtime = runtime
        self._launcher = launcher
        self._registry = registry
        self._volumes = volumes
        self._events = events

    async def remove(self, container: Container, *, volumes: bool) -> None:
        """Remove all of a container, with `volumes` also its anonymous ones."""
        container.removed = True
        container.removal_code = container.state["ExitCode"]
        self._registry.remove(container)
        await asyncio.to_thread(self._runtime.snapshots.remove, container.id)
        self._launcher.log(container).delete()
        if volumes:
            self._remove_anonymous(container)
        self._events.publish("container", "destroy", container.id, container.event_attributes())
        container.streams.disconnect()
        container.notify(container.removal_code, removed=True)

    def _remove_anonymous(self, container: Container) -> None:
        for mount in container.mounts:
            if mount["Type"] != "volume":
                continue
            try:
                if ANONYMOUS in (self._volumes.get(mount["Name"])["Labels"] or {}):
                    self._volumes.remove(mount["Name"], self.volume_users(mount["Name"]))
            except (NotFound, Conflict):
                continue  # gone already, or another container uses it

    def volume_users(self, name: str) -> list[str]:
        """Return the ids of the containers that have a volume."""
        return [c.id for c in self._registry if any(m.get("Name") == name for m in c.mounts)]
