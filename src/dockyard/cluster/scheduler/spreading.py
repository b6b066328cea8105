"""Topology spread: how evenly matching Pods lie over zones, hosts or whatever a label divides nodes into."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dockyard.cluster.placement import tolerated, wants
from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts
from dockyard.cluster.scheduler.terms import with_label_keys
from dockyard.cluster.selectors import Selector
from dockyard.cluster.store import Manifest

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REFUSED = "node(s) didn't match pod topology spread constraints"
UNLABELLED = f"{REFUSED} (missing required label)"


class Constraint(NamedTuple):
    """One topologySpreadConstraint; `selector` None selects nothing."""

    key: str
    max_skew: int
    selector: Selector | None
    min_domains: int = 1
    by_affinity: bool = True  # count only nodes that the Pod's own node affinity allows
    by_taints: bool = False  # and only those whose taints it tolerates

    def counts(self, pod: PodFacts, state: NodeState) -> bool:
        """Whether the node is one over which the Pods are to be spread."""
        spec = pod.pod["spec"]
        if self.by_affinity and not wants(spec, state.manifest):
            return False
        return not self.by_taints or all(
            tolerated(taint, spec.get("tolerations") or ())
            for taint in state.taints
            if taint["effect"] != "PreferNoSchedule"
        )

    def number_on(self, pod: PodFacts, state: NodeState) -> int:
        """How many Pods on the node count: those selected, of the Pod's namespace, that are not ending."""
        return state.count(self.selector, pod.namespace) if self.selector is not None else 0


def constraints(pod: Manifest, when: str) -> tuple[Constraint, ...]:
    """The Pod's constraints of a kind: DoNotSchedule or ScheduleAnyway."""
    return tuple(
        Constraint(
            found["topologyKey"],
            found["maxSkew"],
            with_label_keys(pod, found.get("labelSelector"), found.get("matchLabelKeys")),
            found.get("minDomains") or 1,
            found.get("nodeAffinityPolicy", "Honor") == "Honor",
            found.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )
        for found in pod["spec"].get("topologySpreadConstraints") or ()
        if found["whenUnsatisfiable"] == when
    )


class HardSpread:
    """The constraints that must hold, counted once for all nodes."""

    def __init__(self, pod: PodFacts, states: Iterable[NodeState]) -> None:
        self._pod = pod
        self._rules: list[tuple[Constraint, Counter[str], int]] = []
        found = constraints(pod.pod, "DoNotSchedule")
        keys = [constraint.key for constraint in found]
        spread = [state for state in states if all(key in state.labels for key in keys)] if found else []
        for rule in found:
            counts: Counter[str] = Counter()
            for state in spread:
                if rule.counts(pod, state):
                    counts[state.labels[rule.key]] += rule.number_on(pod, state)
            least = min(counts.values(), default=0) if len(counts) >= rule.min_domains else 0
            self._rules.append((rule, counts, least))

    def refuses(self, state: NodeState) -> str | None:
        """Why the Pod on this node would leave a skew that is too big, if it would."""
        for rule, counts, least in self._rules:
            value = state.labels.get(rule.key)
            if value is None:
                return UNLABELLED
            itself = rule.selector is not None and rule.selector.matches(self._pod.labels)
            if counts[value] + itself - least > rule.max_skew:
                return REFUSED
        return None


def soft_scores(
    pod: PodFacts, states: Sequence[NodeState], fitting: Sequence[NodeState], default: Selector | None
) -> dict[str, int]:
    """0 to 100 for each fitting node, by the constraints that should hold.

    A Pod without constraints has those of upstream's default configuration, over hosts and zones, by
    `default`: the selector of the Services and the workload that it belongs to (None without any).
    """
    rules = constraints(pod.pod, "ScheduleAnyway")
    explicit = bool(pod.pod["spec"].get("topologySpreadConstraints"))
    if not explicit and default is not None:
        rules = Constraint(HOSTNAME, 3, default), Constraint(ZONE, 5, default)
    if not rules:
        return {state.name: 0 for state in fitting}
    considered = [s for s in fitting if not explicit or all(rule.key in s.labels for rule in rules)]
    raw: dict[str, float] = {state.name: 0.0 for state in considered}
    for rule in rules:
        domains = {s.labels[rule.key] for s in considered if rule.key in s.labels}
        weight = math.log((len(considered) if rule.key == HOSTNAME else len(domains)) + 2)
        counts: Counter[str] = Counter()
        for state in states:
            value = state.labels.get(rule.key)
            if value in domains and rule.counts(pod, state):
                counts[value] += rule.number_on(pod, state)
        for state in considered:
            if rule.key in state.labels:
                raw[state.name] += counts[state.labels[rule.key]] * weight + rule.max_skew - 1
    rounded = {name: round(score) for name, score in raw.items()}
    return _fewest_first(fitting, rounded)


def _fewest_first(fitting: Sequence[NodeState], raw: Mapping[str, int]) -> dict[str, int]:
    most, least = max(raw.values(), default=0), min(raw.values(), default=0)
    return {
        state.name: 0
        if state.name not in raw
        else 100
        if most == 0
        else 100 * (most + least - raw[state.name]) // most
        for state in fitting
    }
