"""What every part of the node agent shares: the API, the runtime, the clock, and the node's directory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.cluster.api import Api
from dockyard.cluster.node.hostpath import HostPaths
from dockyard.cluster.node.ports import Runtime
from dockyard.cluster.store import Manifest
from dockyard.wire.clock import Clock

COMPONENT = "kubelet"
GROUP = "cluster"  # the one network that all Pods share
# So many Pods of a node are set up at a time: more are no faster, and keep clients and controllers waiting.
AT_A_TIME = 16


@dataclass(frozen=True)
class Node:
    """One node. `root` holds `pods/<uid>/` with volumes and logs."""

    name: str
    api: Api
    runtime: Runtime
    clock: Clock
    root: Path
    # Differs: every node has the machine's 127.0.0.1 as its address, so host ports and node ports of all
    # nodes are one set of ports.
    host_ip: str = "127.0.0.1"
    # Resources that it offers instead of what the machine has.
    offer: Mapping[str, str] = field(default_factory=dict)
    # It registers with these, so that nothing comes that isn't meant for it.
    taints: Sequence[Manifest] = ()
    # How calls that touch the disk for long are made, so that they don't hold up the loop.
    in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    # Whoever works for a Pod that starts takes a place.
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))

    @property
    def host_paths(self) -> HostPaths:
        """The directories of the machine, which all nodes of the cluster share."""
        return HostPaths(self.root / "hostpath")

    def directory(self, pod: Manifest) -> Path:
        """The Pod's own directory on the node."""
        return self.root / "pods" / str(pod["metadata"]["uid"])

    def report(self, pod: Manifest, type: str, reason: str, message: str, field_path: str = "") -> None:
        """An Event about the Pod, or about one of its containers."""
        about = pod | {"fieldPath": field_path} if field_path else pod
        self.api.record_event(about, type, reason, message, component=COMPONENT, host=self.name)
