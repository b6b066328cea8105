"""Which of the nodes where a Pod fits is the best: upstream's score plug-ins with their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dockyard.cluster.placement import term_matches, tolerated
from dockyard.cluster.scheduler import affinity, spreading
from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts
from dockyard.cluster.scheduler.terms import Labels
from dockyard.cluster.selectors import Selector

_RESOURCES = ("cpu", "memory")


def choose(
    pod: PodFacts,
    states: Sequence[NodeState],
    fitting: Sequence[NodeState],
    namespaces: Mapping[str, Labels],
    group: Selector | None,
) -> str:
    """The name of the best of the `fitting` nodes; `group` selects the Pods of the same workload.

    Differs: of equally good nodes the one with the fewest Pods is taken, and then the first by name; upstream
    draws lots. Images are on all nodes alike, so they don't count.
    """
    if len(fitting) == 1:
        return fitting[0].name
    total = dict.fromkeys((state.name for state in fitting), 0)
    for weight, scores in (
        (3, _taints(pod, fitting)),
        (2, _node_affinity(pod, fitting)),
        (1, {state.name: _least_allocated(pod, state) for state in fitting}),
        (1, {state.name: _balance(pod, state) for state in fitting}),
        (2, spreading.soft_scores(pod, states, fitting, group)),
        (2, affinity.soft_scores(pod, states, fitting, namespaces)),
    ):
        for name, score in scores.items():
            total[name] += weight * score
    best = min(fitting, key=lambda state: (-total[state.name], len(state.pods), state.name))
    return best.name


def _taints(pod: PodFacts, fitting: Sequence[NodeState]) -> dict[str, int]:
    """Fewer taints of PreferNoSchedule that the Pod does not tolerate are better."""
    tolerations = pod.pod["spec"].get("tolerations") or ()
    bad = {
        state.name: sum(
            1 for t in state.taints if t["effect"] == "PreferNoSchedule" and not tolerated(t, tolerations)
        )
        for state in fitting
    }
    most = max(bad.values())
    return {name: 100 - 100 * number // most if most else 100 for name, number in bad.items()}


def _node_affinity(pod: PodFacts, fitting: Sequence[NodeState]) -> dict[str, int]:
    """More weight of preferred node affinity terms is better."""
    rules = (pod.pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    raw = {
        state.name: sum(t["weight"] for t in terms if term_matches(t["preference"], state.manifest))
        for state in fitting
    }
    most = max(raw.values())
    return {name: 100 * weight // most if most else 0 for name, weight in raw.items()}


def _least_allocated(pod: PodFacts, state: NodeState) -> int:
    """More of CPU and memory left over is better; Pods without requests count with a guess."""
    scores = []
    for resource in _RESOURCES:
        capacity = state.allocatable[resource]
        left = capacity - state.usual[resource] - pod.usual[resource]
        scores.append(100 * left // capacity if capacity and left > 0 else 0)
    return sum(scores) // len(scores)


def _balance(pod: PodFacts, state: NodeState) -> int:
    """CPU and memory used to the same degree are better; a Pod that asks for neither changes nothing."""
    if not any(pod.wanted[resource] for resource in _RESOURCES):
        return 0
    parts = []
    for resource in _RESOURCES:
        capacity = state.allocatable[resource]
        if capacity:
            parts.append(min(1.0, (state.used[resource] + pod.wanted[resource]) / capacity))
    return int((1 - abs(parts[0] - parts[1]) / 2) * 100) if len(parts) == 2 else 100
