"""The order that the daemon gives the parent: everything one forked child needs to become the program."""

from __future__ import annotations

from typing import Literal, TypedDict


class MountPlan(TypedDict):
    """One mount in the root file system; `source` None is a tmpfs of `size` bytes (0: half the memory)."""

    source: str | None
    target: str
    read_only: bool
    size: int


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
    memory: int
    tracer: bool
