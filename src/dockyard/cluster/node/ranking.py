"""Which Pod has to go when a node's memory runs short, and what is said of it. Pure functions.

Source: the kubelet's eviction manager (pkg/kubelet/eviction/helpers.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dockyard.cluster.placement import tolerated
from dockyard.cluster.podresources import pod_total
from dockyard.cluster.quantity import binary, canonical, whole
from dockyard.cluster.store import Manifest

EVICTED = "Evicted"
MEMORY_PRESSURE = "MemoryPressure"
# The kubelet's default --eviction-hard, memory.available<100Mi.
THRESHOLD = 100 << 20
_TAINT = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
_SYSTEM_CRITICAL = 2_000_000_000


@dataclass(frozen=True)
class Consumer:
    """A Pod and what its containers hold, in bytes by name; `handle` is its owner's to use."""

    pod: Manifest
    used: Mapping[str, int]
    handle: Any = None

    @property
    def total(self) -> int:
        return sum(self.used.values())

    @property
    def excess(self) -> int:
        """Bytes used beyond what the Pod requests; negative while it stays within."""
        return self.total - whole(pod_total(self.pod["spec"], "requests").get("memory", "0"))


def ranked(consumers: Iterable[Consumer]) -> list[Consumer]:
    """The first to go first: those beyond their requests, then by priority, then by how far beyond.

    The quality-of-service class is not asked for; it is the requests that count.
    """

    def rank(consumer: Consumer) -> tuple[bool, int, int]:
        return consumer.excess <= 0, consumer.pod["spec"].get("priority") or 0, -consumer.excess

    return sorted(consumers, key=rank)


def is_critical(pod: Manifest) -> bool:
    """Whether the Pod is one that the node can't do without, and therefore never evicts."""
    return (pod["spec"].get("priority") or 0) >= _SYSTEM_CRITICAL


def is_refused(pod: Manifest) -> bool:
    """Whether a node that is short of memory refuses to start the Pod: those that ask for nothing."""
    if is_critical(pod) or pod["status"].get("qosClass") != "BestEffort":
        return False
    return not tolerated(_TAINT, pod["spec"].get("tolerations") or ())


def verdict(consumer: Consumer, available: int) -> str:
    """The message of the Event and the status of an evicted Pod; upstream's, final space included."""
    text = (
        "The node was low on resource: memory. "
        f"Threshold quantity: {binary(THRESHOLD)}, available: {binary(available)}. "
    )
    spec = consumer.pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        name = container["name"]
        requested = ((container.get("resources") or {}).get("requests") or {}).get("memory", "0")
        if consumer.used.get(name, 0) > whole(requested):
            text += (
                f"Container {name} was using {binary(consumer.used[name])}, request is "
                f"{canonical(requested)}, has larger consumption of memory. "
            )
    return text
