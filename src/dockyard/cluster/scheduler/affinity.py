"""Affinity between Pods: where the company is that a Pod needs, prefers, or has to avoid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts
from dockyard.cluster.scheduler.terms import Labels, Term

NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_APART = "node(s) didn't match pod anti-affinity rules"
NOT_WELCOME = "node(s) didn't satisfy existing pods anti-affinity rules"

Namespaces = Mapping[str, Labels]
Pairs = Counter[tuple[str, str]]  # (label, value) of nodes -> Pods or weight there


class HardAffinity:
    """The required terms, the Pod's and the others', counted once for all nodes."""

    def __init__(self, pod: PodFacts, states: Iterable[NodeState], namespaces: Namespaces) -> None:
        self._terms = pod.terms
        self._near: Pairs = Counter()
        self._apart: Pairs = Counter()
        self._unwelcome: Pairs = Counter()
        for state in states:
            self._count(pod, state, namespaces)
        # The first of a group that wants to be together has nobody to join but itself.
        own = pod.namespace, pod.labels
        self._is_first = not self._near and all(t.selects(*own, namespaces) for t in self._terms.required)

    def _count(self, pod: PodFacts, state: NodeState, namespaces: Namespaces) -> None:
        labels, terms = state.labels, self._terms
        for other in state.choosy.values():
            for term in other.terms.required_anti:
                if term.topology_key in labels and term.selects(pod.namespace, pod.labels, namespaces):
                    self._unwelcome[term.topology_key, labels[term.topology_key]] += 1
        if not terms.required and not terms.required_anti:
            return
        for other in state.pods.values():
            about = other.namespace, other.labels, namespaces
            # One Pod has to match all terms to count for any of them.
            if terms.required and all(term.selects(*about) for term in terms.required):
                for term in terms.required:
                    if term.topology_key in labels:
                        self._near[term.topology_key, labels[term.topology_key]] += 1
            for term in terms.required_anti:
                if term.topology_key in labels and term.selects(*about):
                    self._apart[term.topology_key, labels[term.topology_key]] += 1

    def refuses(self, state: NodeState) -> tuple[str, bool] | None:
        """Why the node is in the wrong place, if it is, and whether evicting others could help."""
        labels, terms = state.labels, self._terms
        if any(term.topology_key not in labels for term in terms.required):
            return NOT_NEAR, False
        if not self._is_first and not all(_at(self._near, term, labels) for term in terms.required):
            return NOT_NEAR, False
        if any(_at(self._apart, term, labels) for term in terms.required_anti):
            return NOT_APART, True
        if any(labels.get(key) == value for key, value in self._unwelcome):
            return NOT_WELCOME, True
        return None


def _at(pairs: Pairs, term: Term, labels: Labels) -> int:
    return pairs[term.topology_key, labels[term.topology_key]] if term.topology_key in labels else 0


def soft_scores(
    pod: PodFacts, states: Sequence[NodeState], fitting: Sequence[NodeState], namespaces: Namespaces
) -> dict[str, int]:
    """0 to 100 for each fitting node, by the preferred terms, the Pod's and the others'."""
    pairs: Pairs = Counter()
    terms = pod.terms
    for state in states:
        own = state.pods if terms.preferred or terms.preferred_anti else {}
        for other in own.values():
            about = other.namespace, other.labels, namespaces
            for sign, wanted in ((1, terms.preferred), (-1, terms.preferred_anti)):
                for term in wanted:
                    if term.selects(*about):
                        _add(pairs, term, state, sign * term.weight)
        for other in state.choosy.values():
            # Who requires company draws it: upstream's hardPodAffinityWeight is 1.
            for sign, wanted in (
                (1, other.terms.required + other.terms.preferred),
                (-1, other.terms.preferred_anti),
            ):
                for term in wanted:
                    if term.selects(pod.namespace, pod.labels, namespaces):
                        _add(pairs, term, state, sign * term.weight)
    raw = {
        state.name: sum(weight for (key, value), weight in pairs.items() if state.labels.get(key) == value)
        for state in fitting
    }
    least, most = min(raw.values(), default=0), max(raw.values(), default=0)
    return {
        name: 100 * (score - least) // (most - least) if most > least else 0 for name, score in raw.items()
    }


def _add(pairs: Pairs, term: Term, state: NodeState, weight: int) -> None:
    if term.topology_key in state.labels:
        pairs[term.topology_key, state.labels[term.topology_key]] += weight
