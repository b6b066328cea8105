"""Affinity between Pods, read out of their specs: which Pods a term means, and where they have to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dockyard.cluster.selectors import Requirement, Selector, from_object
from dockyard.cluster.store import Manifest

Labels = Mapping[str, str]


class Term(NamedTuple):
    """One term; `selector` None selects nothing, `namespace_selector` None no further namespaces."""

    selector: Selector | None
    namespaces: frozenset[str]
    namespace_selector: Selector | None
    topology_key: str
    weight: int = 1

    def selects(self, namespace: str, labels: Labels, namespace_labels: Mapping[str, Labels]) -> bool:
        """Whether the term means a Pod with these labels in this namespace."""
        if self.selector is None or not self.selector.matches(labels):
            return False
        if namespace in self.namespaces:
            return True
        further = self.namespace_selector
        return further is not None and further.matches(namespace_labels.get(namespace, {}))


class Terms(NamedTuple):
    """All that a Pod says of the company it wants to keep."""

    required: tuple[Term, ...] = ()
    required_anti: tuple[Term, ...] = ()
    preferred: tuple[Term, ...] = ()
    preferred_anti: tuple[Term, ...] = ()


def terms_of(pod: Manifest) -> Terms:
    """The Pod's affinity and anti-affinity terms."""
    affinity = pod["spec"].get("affinity") or {}
    near, apart = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    return Terms(_required(pod, near), _required(pod, apart), _preferred(pod, near), _preferred(pod, apart))


def _required(pod: Manifest, rules: Manifest) -> tuple[Term, ...]:
    return tuple(_term(pod, t, 1) for t in rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())


def _preferred(pod: Manifest, rules: Manifest) -> tuple[Term, ...]:
    weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(_term(pod, w["podAffinityTerm"], w["weight"]) for w in weighted)


def _term(pod: Manifest, term: Manifest, weight: int) -> Term:
    namespaces = term.get("namespaces") or ()
    further = from_object(term.get("namespaceSelector"))
    if not namespaces and further is None:
        namespaces = (pod["metadata"]["namespace"],)
    selector = with_label_keys(pod, term.get("labelSelector"), term.get("matchLabelKeys"))
    if selector is not None:
        selector = Selector([*selector, *_values(pod, term.get("mismatchLabelKeys"), "notin")])
    return Term(selector, frozenset(namespaces), further, term["topologyKey"], weight)


def with_label_keys(pod: Manifest, selector: Manifest | None, keys: list[str] | None) -> Selector | None:
    """The selector, narrowed to the Pod's own values of these labels; labels that it lacks don't count."""
    parsed = from_object(selector)
    return None if parsed is None else Selector([*parsed, *_values(pod, keys, "in")])


def _values(pod: Manifest, keys: list[str] | None, operator: str) -> list[Requirement]:
    labels = pod["metadata"].get("labels") or {}
    return [Requirement(key, operator, (labels[key],)) for key in keys or () if key in labels]
