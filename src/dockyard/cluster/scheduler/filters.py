"""Where a Pod can run at all: upstream's filter plug-ins in their order, and their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dockyard.cluster.placement import tolerated, wants
from dockyard.cluster.scheduler.affinity import HardAffinity
from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts
from dockyard.cluster.scheduler.spreading import UNLABELLED, HardSpread
from dockyard.cluster.scheduler.terms import Labels
from dockyard.cluster.store import Manifest

# Why a Pod's volumes can't come to a node, or None.
Volumes = Callable[[Manifest, Manifest], str | None]

_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Refusal(NamedTuple):
    """Why a node is no place for a Pod; `concern` is what would have to change.

    One of node, ports, resources, volumes, spread, affinity. `evicting_helps`: whether it could be enough
    that other Pods left.
    """

    concern: str
    reasons: tuple[str, ...]
    evicting_helps: bool = False


class Filters:
    """The judgement of one Pod about nodes in one state of the cluster."""

    def __init__(
        self,
        pod: PodFacts,
        states: Sequence[NodeState],
        namespaces: Mapping[str, Labels],
        volumes: Volumes = lambda pod, node: None,
    ) -> None:
        self._pod = pod
        self._spread = HardSpread(pod, states)
        self._affinity = HardAffinity(pod, states, namespaces)
        self._volumes = volumes

    def judge(self, state: NodeState) -> Refusal | None:
        """None when the Pod can run on the node, else the first refusal."""
        pod, spec, node = self._pod, self._pod.pod["spec"], state.manifest
        tolerations = spec.get("tolerations") or ()
        if node["spec"].get("unschedulable") and not tolerated(_UNSCHEDULABLE, tolerations):
            return Refusal("node", ("node(s) were unschedulable",))
        taints = [taint for taint in state.taints if taint["effect"] != "PreferNoSchedule"]
        if not all(tolerated(taint, tolerations) for taint in taints):
            return Refusal("node", ("node(s) had untolerated taint(s)",))
        if not wants(spec, node):
            return Refusal("node", ("node(s) didn't match Pod's node affinity/selector",))
        if pod.ports and any(pod.ports & other.ports for other in state.pods.values()):
            return Refusal("ports", ("node(s) didn't have free ports for the requested pod ports",), True)
        return self._fit(state) or self._look_around(state)

    def _fit(self, state: NodeState) -> Refusal | None:
        allocatable, reasons, helps = state.allocatable, [], True
        if len(state.pods) + 1 > allocatable["pods"]:
            reasons.append("Too many pods")
        for resource, amount in sorted(self._pod.wanted.items()):
            if amount > allocatable[resource] - state.used[resource]:
                reasons.append(f"Insufficient {resource}")
                helps = helps and amount <= allocatable[resource]
        return Refusal("resources", tuple(reasons), helps) if reasons else None

    def _look_around(self, state: NodeState) -> Refusal | None:
        problem = self._volumes(self._pod.pod, state.manifest)
        if problem is not None:
            return Refusal("volumes", (problem,))
        uneven = self._spread.refuses(state)
        if uneven is not None:
            return Refusal("spread", (uneven,), uneven != UNLABELLED)
        company = self._affinity.refuses(state)
        return Refusal("affinity", (company[0],), company[1]) if company is not None else None
