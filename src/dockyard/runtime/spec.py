"""What a container is, said by those who want one: root file system, process, mounts, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Mount:
    """A host path (`source`) or a tmpfs (`source` None, `size` in bytes) at the absolute path `target`."""

    target: str
    source: Path | None = None
    read_only: bool = False
    size: int | None = None


@dataclass(frozen=True)
class Limits:
    """Memory in bytes, CPUs as a fraction of cores, and a number of processes; None is unlimited."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True)
class ProcessSpec:
    """One process: `user` is `name|uid[:group|gid]` as in an image's config, `size` is rows and columns."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: str = ""
    tty: bool = False
    stdin: bool = False
    size: tuple[int, int] = (24, 80)


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
    """One container. Those that share `sandbox` share a network identity; `hosts` are (address, name)."""

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
