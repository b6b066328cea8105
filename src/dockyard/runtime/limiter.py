"""Gives a container its limits and takes them back: groups where there are some, else orders to the watch."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from dockyard.runtime import emulated_files
from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.enforcement import Enforcement, enforcement_of
from dockyard.runtime.limits import Cgroups
from dockyard.runtime.plan import Plan, WatchPlan
from dockyard.runtime.spec import ContainerSpec, Mount
from dockyard.runtime.usage import Usage

_PLACE = "/sys/fs/cgroup"


class Limiter:
    """The limits of one runtime's containers; `root` is the home's folder."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "cgroups"
        self.groups = Cgroups(hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12])

    def enforcement(self, driver: Traits) -> Enforcement:
        """Who sees to limits under `driver`."""
        return enforcement_of(self.groups.controllers, self.groups.version, driver)

    def begin(self, plan: Plan, spec: ContainerSpec) -> None:
        """Makes what the plan's container needs. Raises OSError when the kernel refuses a limit."""
        limits = spec.limits
        if plan["tracer"] and limits.pids is not None:
            limits = replace(limits, pids=limits.pids + 1)  # the tracer is in the group too
        plan["cgroups"] = self.groups.create(spec.id, limits)
        if plan["watched"] is not None:
            emulated_files.write(
                plan["watched"]["folder"],
                memory=limits.memory or 0,
                quota=int((limits.cpus or 0) * limits.period),
                period=limits.period,
                pids=spec.limits.pids or 0,
            )

    def end(self, container: str) -> None:
        """Takes it back when the container's processes are gone."""
        self.groups.remove(container)
        shutil.rmtree(self._folder / container, ignore_errors=True)

    def watch_plan(self, spec: ContainerSpec) -> WatchPlan | None:
        """What the parent must see to, because no group does; None when that is nothing."""
        limits, kernel = spec.limits, self.groups.controllers
        memory = 0 if "memory" in kernel else limits.memory or 0
        cpus = 0.0 if "cpu" in kernel else limits.cpus or 0.0
        if not memory and not cpus:
            return None
        folder = str(self._folder / spec.id)
        return {"memory": memory, "cpus": cpus, "period": limits.period, "folder": folder}

    def mounts(self, spec: ContainerSpec, driver: Traits) -> list[Mount]:
        """What the container sees in /sys/fs/cgroup: its own groups, or what we tell in their place."""
        view = self.groups.view(spec.id)
        if view:
            fresh = driver.namespaces and any(name for _, name in view)
            top = [Mount(_PLACE, None, options="mode=755")] if fresh else []
            own = [Mount(f"{_PLACE}/{name}".rstrip("/"), folder, read_only=True) for folder, name in view]
            return top + own
        watched = self.watch_plan(spec)
        return [Mount(_PLACE, Path(watched["folder"]), read_only=True)] if watched else []

    def usage(self, container: str) -> Usage | None:
        """The kernel's account of a container; None where it keeps only part of one, or none."""
        return self.groups.usage(container) if {"memory", "cpu"} <= self.groups.controllers else None
