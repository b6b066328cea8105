"""From a container's description to the order for one process, before a driver gives it its shape."""

from __future__ import annotations

from dockyard.runtime import capabilities, settings
from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.plan import MountPlan, Plan
from dockyard.runtime.spec import ContainerSpec, Mount, ProcessSpec
from dockyard.runtime.users import Account, find_account

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_plan(
    spec: ContainerSpec, process: ProcessSpec, driver: Traits, *, key: str, joins: str | None
) -> Plan:
    """The plan of a container's first process, or of one that joins it; without mounts.

    Raises StartError for a user or a group that isn't there.
    """
    account = _account(spec, process.user, driver)
    return {
        "key": key,
        "joins": joins,
        "container": spec.id,
        "sandbox": spec.sandbox,
        "network": True,
        "style": "wrapped",
        "user_namespace": False,
        "root": {
            "overlay": False,
            "layers": [str(layer) for layer in spec.rootfs.layers],
            "upper": str(spec.rootfs.upper),
            "work": str(spec.rootfs.work),
            "merged": str(spec.rootfs.merged),
            "read_only": spec.read_only,
            "hostname": spec.hostname,
            "mounts": [],
            "privileged": spec.privileged,
            "shm_size": spec.shm_size,
            "sysctls": list(spec.sysctls),
        },
        "argv": list(process.argv),
        "env": _environment(process, account.home),
        "cwd": process.cwd or "/",
        "uid": account.uid,
        "gid": account.gid,
        "groups": list(account.groups),
        "capabilities": _capabilities(spec, process),
        "tty": process.tty,
        "size": process.size,
        "cgroups": [],
        "watched": None,
        "rlimits": settings.rlimits(spec, user_namespace=driver.counts_processes),
        "oom_score_adj": spec.oom_score_adj,
        "cores": settings.cores(spec.limits.cpuset),
        "no_new_privileges": spec.no_new_privileges,
        "init": spec.init and joins is None,
        "tracer": False,
    }


def mount_plan(mount: Mount) -> MountPlan:
    """One mount, as the child does it."""
    return {
        "source": None if mount.source is None else str(mount.source),
        "target": mount.target,
        "read_only": mount.read_only,
        "size": mount.size or 0,
        "options": mount.options,
    }


def _account(spec: ContainerSpec, user: str, driver: Traits) -> Account:
    rootfs = spec.rootfs
    trees = [rootfs.upper, *reversed(rootfs.layers)] if driver.overlay else [rootfs.merged]
    return find_account(trees, user, spec.groups)


def _environment(process: ProcessSpec, home: str) -> dict[str, str]:
    """The variables in upstream's order: PATH, HOSTNAME, TERM, the container's own, HOME."""
    first = {"PATH": DEFAULT_PATH}
    if "HOSTNAME" in process.env:
        first["HOSTNAME"] = process.env["HOSTNAME"]
    if process.tty:
        first["TERM"] = "xterm"
    env = {**first, **process.env}
    env.setdefault("HOME", home)
    return env


def _capabilities(spec: ContainerSpec, process: ProcessSpec) -> list[int]:
    # Differs: a privileged container has no more devices than another one.
    if spec.privileged or process.privileged:
        return capabilities.kept((), ("ALL",))
    return capabilities.kept(spec.cap_drop, spec.cap_add)
