"""Who sees to each limit on this machine: the kernel, our watch, or nobody; and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dockyard.runtime.drivers.driver import Traits

Keeper = Literal["kernel", "emulated", "none"]

_EMULATED_MEMORY = (
    "memory limits are emulated: what containers use is looked at 10 to 100 times a second, "
    "and the largest process is killed"
)
_EMULATED_CPU = (
    "CPU limits are emulated: containers that have used their share are stopped until the next period"
)


@dataclass(frozen=True)
class Enforcement:
    """`version` is that of the control groups, 0 where there are none."""

    memory: Keeper
    cpu: Keeper
    pids: Keeper
    shares: Keeper
    version: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as a real engine has it, for `docker info` and `dockyard doctor`."""
        said: list[str] = []
        if self.memory == "emulated":
            said.append(_EMULATED_MEMORY)
        if self.cpu == "emulated":
            said.append(_EMULATED_CPU)
        if self.shares == "none":
            said.append("CPU shares are not enforced")
        if self.pids == "none":
            said.append("pids limits are not enforced")
        return tuple(said)


def enforcement_of(controllers: frozenset[str], version: int, driver: Traits) -> Enforcement:
    """What holds with these controllers of control groups under this driver."""
    cpu: Keeper = "kernel" if "cpu" in controllers else "emulated"
    return Enforcement(
        memory="kernel" if "memory" in controllers else "emulated",
        cpu=cpu,
        pids="kernel" if "pids" in controllers or driver.counts_processes else "none",
        shares="kernel" if cpu == "kernel" else "none",
        version=version,
    )
