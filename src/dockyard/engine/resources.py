"""A container's HostConfig as the runtime's limits and settings, and what to say of those it can't give."""

from __future__ import annotations

from dockyard.engine.parameters import Document
from dockyard.runtime.enforcement import Enforcement
from dockyard.runtime.spec import Limits, Ulimit

_PERIOD = 100_000  # microseconds, the kernel's default
# Below these a container's namespaces have values of their own (namespaces(7)); the network's are the
# machine's, which containers share here.
_OWN_SYSCTLS = ("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue.")


def limits(host_config: Document) -> Limits:
    """Return the limits that a HostConfig asks for."""
    pids = host_config["PidsLimit"] or 0
    return Limits(
        memory=host_config["Memory"] or None,
        cpus=_cpus(host_config),
        pids=pids if pids > 0 else None,
        memory_swap=host_config["MemorySwap"] or None,
        period=host_config["CpuPeriod"] or _PERIOD,
        cpu_shares=host_config["CpuShares"] or None,
        cpuset=host_config["CpusetCpus"] or "",
    )


def ulimits(host_config: Document) -> tuple[Ulimit, ...]:
    """Return the resource limits that a HostConfig asks for."""
    return tuple(
        Ulimit(str(one["Name"]), int(one["Soft"]), int(one["Hard"])) for one in host_config["Ulimits"] or []
    )


def sysctls(host_config: Document) -> tuple[tuple[str, str], ...]:
    """Return the kernel settings that a container can have for itself."""
    asked = host_config.get("Sysctls") or {}
    return tuple((name, str(value)) for name, value in asked.items() if name.startswith(_OWN_SYSCTLS))


def no_new_privileges(host_config: Document) -> bool:
    """Return whether set-uid programs are to change nothing."""
    options = [str(option).replace(":", "=") for option in host_config["SecurityOpt"] or []]
    return "no-new-privileges" in options or "no-new-privileges=true" in options


def warnings(host_config: Document, enforcement: Enforcement) -> list[str]:
    """Return what is not done of what a HostConfig asks for, as `docker create` prints it."""
    said: list[str] = []
    if host_config["Memory"] and enforcement.memory == "emulated":
        said.append("dockyard: the memory limit is emulated: memory is looked at, not accounted.")
    if _cpus(host_config) and enforcement.cpu == "emulated":
        said.append("dockyard: the CPU limit is emulated: the container is stopped and let go by turns.")
    if host_config["CpuShares"] and enforcement.shares == "none":
        said.append("dockyard: CPU shares are not enforced on this machine. Shares discarded.")
    if (host_config["PidsLimit"] or 0) > 0 and enforcement.pids == "none":
        said.append("dockyard: the pids limit is not enforced on this machine. PIDs limit discarded.")
    for name in host_config.get("Sysctls") or {}:
        if not name.startswith(_OWN_SYSCTLS):
            # Differs: containers share the machine's network namespace, so net.* is accepted and not applied.
            said.append(f"dockyard: sysctl {name} is not applied: containers share the machine's network.")
    if host_config["Devices"]:
        # Differs: `--device` is accepted, with a warning, and the machine's devices stay outside.
        said.append("dockyard: devices of the machine are not given to containers. Devices discarded.")
    for name, key in (("PID", "PidMode"), ("IPC", "IpcMode")):
        mode = str(host_config[key])
        if mode == "host" or mode.startswith("container:"):
            # Differs: `--pid` and `--ipc` of another container or of the machine are not followed; `--network
            # container:` is.
            said.append(
                f"dockyard: the {name} namespace is always the container's own. Mode {mode} discarded."
            )
    return said


def _cpus(host_config: Document) -> float | None:
    nano, quota = host_config["NanoCpus"] or 0, host_config["CpuQuota"] or 0
    if nano:
        return float(nano / 1e9)
    return quota / (host_config["CpuPeriod"] or _PERIOD) if quota > 0 else None
