"""Linux namespaces and overlayfs, entered directly: the program is PID 1 and nothing stands before it."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.plan import Plan
from dockyard.runtime.settings import counts_processes
from dockyard.runtime.spec import ContainerSpec, ProcessSpec


@dataclass(frozen=True)
class Namespaces:
    """`user_namespace`: for those who aren't root; without `overlay`: where overlayfs can't use the disk."""

    user_namespace: bool
    overlay: bool

    @property
    def traits(self) -> Traits:
        gives = ["absolute paths", "PID 1", "a host name", "native speed"]
        loses: list[str] = []
        (gives if self.overlay else loses).append("layers without copying (overlayfs)")
        (loses if self.user_namespace else gives).append("more than one user in a container")
        counts = self.user_namespace and counts_processes()
        return Traits(
            "namespaces",
            self.overlay,
            tuple(gives),
            tuple(loses),
            namespaces=True,
            counts_processes=counts,
        )

    def shape(self, plan: Plan, spec: ContainerSpec, process: ProcessSpec) -> None:
        plan["style"] = "namespaces"
        plan["user_namespace"] = self.user_namespace
        plan["root"]["overlay"] = self.overlay
