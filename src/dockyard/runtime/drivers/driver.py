"""A way to give a process a root file system: from a container's description to the parent's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dockyard.runtime.plan import Plan
from dockyard.runtime.spec import ContainerSpec, ProcessSpec


@dataclass(frozen=True)
class Traits:
    """What a driver is like, for `doctor`: whether it overlays layers, what one gets and what one misses.

    `namespaces`: mounts and capabilities are real. `counts_processes`: each container has a user namespace,
    in which the kernel counts processes.
    """

    name: str
    overlay: bool
    gives: tuple[str, ...]
    loses: tuple[str, ...]
    namespaces: bool = False
    counts_processes: bool = False

    @property
    def storage(self) -> str:
        """What upstream calls a storage driver that keeps layers so: overlaid, or copied for each one."""
        return "overlay2" if self.overlay else "vfs"


class Driver(Protocol):
    """Two kinds exist: the namespaces that the kernel gives us, and programs that wrap the container's."""

    @property
    def traits(self) -> Traits:
        """What it gives and what is lost by it."""

    def shape(self, plan: Plan, spec: ContainerSpec, process: ProcessSpec) -> None:
        """Changes `plan`, made for the container's own view of things, into what the parent must do.

        Raises StartError when the driver can tell already that the program won't start.
        """
