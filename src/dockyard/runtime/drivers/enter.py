"""Inside the forked child of the namespaces driver: from a fresh namespace to the container's root."""

from __future__ import annotations

import os
import stat

from dockyard.runtime import libc
from dockyard.runtime.plan import MountPlan, Plan, RootPlan
from dockyard.runtime.resolve import inside

KINDS = libc.CLONE_NEWNS | libc.CLONE_NEWPID | libc.CLONE_NEWUTS | libc.CLONE_NEWIPC
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# In a user namespace without a map everybody is nobody: who we are must be asked before.
_HOST_UID, _HOST_GID = os.geteuid(), os.getegid()
# As runc gets them from Docker (github.com/moby/moby, oci/defaults.go).
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)

_CLEARED = {"exec": libc.MS_NOEXEC, "suid": libc.MS_NOSUID, "dev": libc.MS_NODEV}


def enter(plan: Plan) -> None:
    """Builds the container's mounts in this (new) mount namespace and makes them the root."""
    if plan["user_namespace"]:
        map_user(plan["uid"], plan["gid"])
    root = plan["root"]
    libc.sethostname(root["hostname"])
    libc.mount("none", "/", flags=libc.MS_REC | libc.MS_PRIVATE)
    base = _mount_root(root, plan["user_namespace"])
    _mount_proc(base, root)
    _mount_dev(base, root["shm_size"])
    _mount_sys(base, root["privileged"])
    if not root["privileged"]:
        _mask(base)
    for mount in root["mounts"]:
        _mount_one(base, mount)
    if root["read_only"]:
        # The mounts below stay as they are: only the root file system itself is read-only.
        libc.mount("none", base, flags=_remount_flags(base) | libc.MS_RDONLY)
    libc.pivot_root(base)


def map_user(uid: int, gid: int) -> None:
    """Lets the caller be `uid`:`gid` in the user namespace that it has just entered."""
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {_HOST_UID} 1"),
        ("gid_map", f"{gid} {_HOST_GID} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def _mount_root(root: RootPlan, user_namespace: bool) -> str:
    base = root["merged"]
    if not root["overlay"]:
        libc.mount(base, base, flags=libc.MS_BIND | libc.MS_REC)
        return base
    mount_overlay(root["layers"], root["upper"], root["work"], base, user_namespace=user_namespace)
    return base


def mount_overlay(layers: list[str], upper: str, work: str, base: str, *, user_namespace: bool) -> None:
    """Mounts `layers` (lowest first) on `base`; without an `upper`, to be read only."""
    # mount(2) takes one page of options: name the layers relative to their common folder.
    layers = list(reversed(layers))
    common = os.path.commonpath(layers) if len(layers) > 1 else os.path.dirname(layers[0])
    os.chdir(common)
    lower = ":".join(_escape(os.path.relpath(layer, common)) for layer in layers)
    options = f"lowerdir={lower}"
    if upper:
        options += f",upperdir={_escape(upper)},workdir={_escape(work)}"
    # A user namespace may not write trusted.* attributes (Documentation/filesystems/overlayfs.rst).
    options += ",userxattr" if user_namespace else ""
    libc.mount("overlay", base, "overlay", libc.MS_NODEV, options)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _mount_proc(base: str, root: RootPlan) -> None:
    target = _folder(base, "/proc")
    libc.mount("proc", target, "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    for name, value in root["sysctls"]:
        with open(f"{target}/sys/{name.replace('.', '/')}", "w") as file:
            file.write(value)
    for name in () if root["privileged"] else _READ_ONLY_PROC:
        path = f"{target}/{name}"
        if os.path.exists(path):
            libc.mount(path, path, flags=libc.MS_BIND | libc.MS_REC)
            libc.make_read_only(path)


def _mask(base: str) -> None:
    for name in _MASKED:
        path = base + name
        if os.path.isdir(path):
            flags = libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
            libc.mount("tmpfs", path, "tmpfs", flags, "size=0")
        elif os.path.exists(path):
            libc.mount("/dev/null", path, flags=libc.MS_BIND)


def _mount_dev(base: str, shm_size: int) -> None:
    target = _folder(base, "/dev")
    libc.mount("tmpfs", target, "tmpfs", libc.MS_NOSUID, "mode=755,size=65536k")
    for name in _DEVICES:
        path = f"{target}/{name}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        libc.mount(f"/dev/{name}", path, flags=libc.MS_BIND)
    for name, to in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(to if to.startswith("/") else f"/proc/self/{to}", f"{target}/{name}")
    os.mkdir(f"{target}/pts")
    libc.mount(
        "devpts",
        f"{target}/pts",
        "devpts",
        libc.MS_NOSUID | libc.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    )
    os.symlink("pts/ptmx", f"{target}/ptmx")
    os.mkdir(f"{target}/shm", 0o1777)
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    libc.mount("tmpfs", f"{target}/shm", "tmpfs", flags, f"mode=1777,size={shm_size}")
    os.mkdir(f"{target}/mqueue")


def _mount_sys(base: str, privileged: bool) -> None:
    # sysfs belongs to the network namespace, which is the host's: it is bound, not mounted.
    target = _folder(base, "/sys")
    if os.path.isdir("/sys/kernel"):
        libc.mount("/sys", target, flags=libc.MS_BIND | libc.MS_REC)
        if not privileged:
            libc.make_read_only(target)


def _mount_one(base: str, mount: MountPlan) -> None:
    source = mount["source"]
    if source is None:
        target = _folder(base, mount["target"])
        flags, options = _tmpfs(mount)
        libc.mount("tmpfs", target, "tmpfs", flags, options)
    else:
        is_folder = os.path.isdir(source)
        target = _folder(base, mount["target"]) if is_folder else _file(base, mount["target"])
        libc.mount(source, target, flags=libc.MS_BIND | libc.MS_REC)
    if mount["read_only"]:
        libc.make_read_only(target)


def _tmpfs(mount: MountPlan) -> tuple[int, str]:
    """Flags and data for mount(2): what upstream gives a tmpfs, changed by its options."""
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    data = {"mode": "1777"}
    if mount["size"]:
        data["size"] = str(mount["size"])
    for option in mount["options"].split(","):
        name, equals, value = option.partition("=")
        if name in _CLEARED:
            flags &= ~_CLEARED[name]
        elif equals and name in ("mode", "uid", "gid", "nr_inodes"):
            data[name] = value
    return flags, ",".join(f"{name}={value}" for name, value in data.items())


def _folder(base: str, target: str) -> str:
    path = inside(base, target)
    os.makedirs(path, exist_ok=True)
    return path


def _file(base: str, target: str) -> str:
    path = inside(base, target)
    if not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o644))
    elif stat.S_ISDIR(os.stat(path).st_mode):
        raise OSError(20, f"not a directory: cannot mount a file on {target}")
    return path


def _remount_flags(base: str) -> int:
    # MS_REMOUNT | MS_BIND changes this mount's flags only; a user namespace must repeat the locked ones.
    kept = os.statvfs(base).f_flag & (libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    return 0x20 | libc.MS_BIND | kept
