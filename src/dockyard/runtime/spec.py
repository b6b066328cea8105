"""What a container is, said by those who want one: root file system, process, mounts, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Mount:
    """A host path (`source`) or a tmpfs (`source` None, `size` in bytes) at the absolute path `target`.

    `options` are a tmpfs's further ones as mount(8) takes them: `mode=700,uid=1000,exec`.
    """

    target: str
    source: Path | None = None
    read_only: bool = False
    size: int | None = None
    options: str = ""


@dataclass(frozen=True)
class Limits:
    """Memory in bytes, CPUs as a fraction of cores, and a number of processes; None is unlimited.

    `memory_swap` is memory and swap together (-1: any), None as much swap as the machine gives.
    `period` is in microseconds: `cpus` of it may be used in each. `cpu_shares` is a weight, 1024 is usual.
    `cpuset` names the cores, as in "0-2,5".
    """

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    memory_swap: int | None = None
    period: int = 100_000
    cpu_shares: int | None = None
    cpuset: str = ""


@dataclass(frozen=True)
class Ulimit:
    """One resource limit (setrlimit(2)) by its short name, as in `nofile`; -1 is unlimited."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class ProcessSpec:
    """One process: `user` is `name|uid[:group|gid]` as in an image's config, `size` is rows and columns.

    `privileged` leaves it all capabilities.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: str = ""
    tty: bool = False
    stdin: bool = False
    size: tuple[int, int] = (24, 80)
    privileged: bool = False


@dataclass(frozen=True)
class Rootfs:
    """Directories that make a root file system.

    `layers` are extracted layers, lowest first, in overlayfs format (a whiteout is a character device 0/0);
    `upper` takes the writes and `work` is overlayfs's own, on the same file system. Drivers without overlay
    use `merged`, which then holds the whole tree; drivers with it use `merged` as an empty mount point.
    """

    layers: tuple[Path, ...]
    upper: Path
    work: Path
    merged: Path


@dataclass(frozen=True)
class ContainerSpec:
    """One container. Those that share `sandbox` share a network identity; `hosts` are (address, name).

    `init` puts a process before the program that forwards signals and reaps orphans; `privileged` leaves
    all capabilities and the kernel's settings writable; `groups` are names or numbers beside the user's own.
    `shm_size` is in bytes, `sysctls` are as in /proc/sys with dots.
    """

    id: str
    rootfs: Rootfs
    process: ProcessSpec
    sandbox: str
    hostname: str
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits()
    read_only: bool = False
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    init: bool = False
    privileged: bool = False
    no_new_privileges: bool = False
    groups: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    oom_score_adj: int = 0
    shm_size: int = 64 << 20
    sysctls: tuple[tuple[str, str], ...] = ()
