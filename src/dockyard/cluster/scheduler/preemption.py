"""Pre-emption: whom a Pod of higher priority may push off a node, with as little harm as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.disruptiontarget import mark
from dockyard.cluster.podstate import unix
from dockyard.cluster.scheduler.filters import Filters, Refusal
from dockyard.cluster.scheduler.report import COMPONENT, listed
from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts
from dockyard.cluster.selectors import matches
from dockyard.cluster.store import Manifest

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"

FiltersOf = Callable[[Sequence[NodeState]], Filters]


class Candidate(NamedTuple):
    """A node that would have room without these Pods; the most important of them is the first."""

    node: str
    victims: tuple[PodFacts, ...]
    violations: int  # of disruption budgets


def not_eligible(pod: PodFacts, states: Sequence[NodeState]) -> str | None:
    """Why the Pod may not push others away (now), if it may not."""
    if pod.pod["spec"].get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    nominated = pod.pod["status"].get("nominatedNodeName")
    for state in states:
        if state.name == nominated and any(
            other.leaving and other.priority < pod.priority for other in state.pods.values()
        ):
            return "not eligible due to a terminating pod on the nominated node."
    return None


def find(
    api: Api, pod: PodFacts, states: Sequence[NodeState], refusals: dict[str, Refusal], filters_of: FiltersOf
) -> tuple[Candidate | None, str]:
    """The node where making room harms least; without one, why there is none, in upstream's words."""
    found, reasons = [], []
    budgets = api.list("PodDisruptionBudget")
    for state in states:
        if not refusals[state.name].evicting_helps:
            reasons.append(NOT_HELPFUL)
            continue
        candidate, why = _look_at(pod, state, states, budgets, filters_of)
        if candidate is not None:
            found.append(candidate)
        reasons += why
    if found:
        return min(found, key=_harm), ""
    return None, f"0/{len(states)} nodes are available: {listed(reasons)}."


def _look_at(
    pod: PodFacts,
    state: NodeState,
    states: Sequence[NodeState],
    budgets: list[Manifest],
    filters_of: FiltersOf,
) -> tuple[Candidate | None, Iterable[str]]:
    lower = sorted((p for p in state.pods.values() if p.priority < pod.priority), key=_importance)
    if not lower:
        return None, [NO_VICTIMS]

    def judge(without: Iterable[PodFacts]) -> Refusal | None:
        changed = state.changed(without=[other.uid for other in without])
        return filters_of([changed if s is state else s for s in states]).judge(changed)

    refusal = judge(lower)
    if refusal is not None:
        return None, refusal.reasons
    protected = _protected(lower, budgets)
    gone = list(lower)
    victims = []
    # Who can stay stays, first those whom a disruption budget protects.
    for other in sorted(lower, key=lambda p: (p.uid not in protected, _importance(p))):
        gone.remove(other)
        if judge(gone) is not None:
            gone.append(other)
            victims.append(other)
    victims.sort(key=_importance)
    violations = sum(1 for victim in victims if victim.uid in protected)
    return Candidate(state.name, tuple(victims), violations), ()


def _importance(pod: PodFacts) -> tuple[int, float]:
    """Sorts the most important first: the higher priority, then the longer running."""
    return -pod.priority, _start(pod)


def _start(pod: PodFacts) -> float:
    return unix(pod.pod["status"].get("startTime") or pod.pod["metadata"]["creationTimestamp"])


def _protected(pods: Iterable[PodFacts], budgets: list[Manifest]) -> set[str]:
    """The uids of those whose eviction, one after the other, a disruption budget would refuse."""
    left = {b["metadata"]["uid"]: (b.get("status") or {}).get("disruptionsAllowed", 0) for b in budgets}
    found = set()
    for pod in pods:
        for budget in budgets:
            if budget["metadata"]["namespace"] != pod.namespace:
                continue
            if not matches(budget["spec"].get("selector"), pod.labels):
                continue
            if pod.name in ((budget.get("status") or {}).get("disruptedPods") or {}):
                continue
            uid = budget["metadata"]["uid"]
            left[uid] -= 1
            if left[uid] < 0:
                found.add(pod.uid)
    return found


def _harm(candidate: Candidate) -> tuple[float, ...]:
    victims = candidate.victims
    if not victims:
        return (0.0,)
    first = victims[0]
    eldest = min(_start(victim) for victim in victims if victim.priority == first.priority)
    total = sum(victim.priority for victim in victims)
    return candidate.violations, first.priority, total, len(victims), -eldest


def carry_out(api: Api, pod: PodFacts, candidate: Candidate, waiting: Iterable[PodFacts]) -> None:
    """End the victims, and take the promise of the node back from Pods of lower priority that wait for it."""
    for victim in candidate.victims:
        if victim.leaving:
            continue
        mark(
            api,
            victim.pod,
            "PreemptionByScheduler",
            f"{COMPONENT}: preempting to accommodate a higher priority pod",
        )
        message = f"Preempted by pod {pod.uid} on node {candidate.node}"
        api.record_event(victim.pod, "Normal", "Preempted", message, component=COMPONENT)
        api.delete("Pod", victim.name, victim.namespace, preconditions={"uid": victim.uid})
    for other in waiting:
        if other.pod["status"].get("nominatedNodeName") == candidate.node and other.priority < pod.priority:
            current = api.get("Pod", other.name, other.namespace)
            current["status"].pop("nominatedNodeName", None)
            api.update_status("Pod", current)
