"""The order that the daemon gives the parent: everything one forked child needs to become the program."""

from __future__ import annotations

from typing import Literal, TypedDict


class MountPlan(TypedDict):
    """One mount in the root file system; `source` None is a tmpfs of `size` bytes (0: half the memory)."""

    source: str | None
    target: str
    read_only: bool
    size: int
    options: str


class WatchPlan(TypedDict):
    """Limits that the parent must see to, since no cgroup does: 0 is none, `folder` shows what it sees."""

    memory: int
    cpus: float
    period: int
    folder: str


class RootPlan(TypedDict):
    """How the root file system comes about; without `overlay`, `merged` holds it already."""

    overlay: bool
    layers: list[str]
    upper: str
    work: str
    merged: str
    read_only: bool
    hostname: str
    mounts: list[MountPlan]
    privileged: bool
    shm_size: int
    sysctls: list[tuple[str, str]]


class Plan(TypedDict):
    """One process to start. `key` names it; for an exec, `joins` is the container's first process."""

    key: str
    joins: str | None
    container: str
    sandbox: str
    network: bool
    style: Literal["namespaces", "wrapped"]
    user_namespace: bool
    root: RootPlan
    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int
    gid: int
    groups: list[int]
    capabilities: list[int]
    tty: bool
    size: tuple[int, int]
    cgroups: list[str]
    watched: WatchPlan | None
    rlimits: list[tuple[int, int, int]]
    oom_score_adj: int
    cores: list[int]
    no_new_privileges: bool
    init: bool
    tracer: bool
