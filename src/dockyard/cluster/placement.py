"""What a Pod says of the nodes that it may run on: node selectors, node affinity, taints tolerated."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.selectors import Requirement
from dockyard.cluster.store import Manifest

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


def tolerates(toleration: Manifest, taint: Manifest) -> bool:
    """Whether one toleration covers one taint; an empty key or effect covers every one."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def tolerated(taint: Manifest, tolerations: Iterable[Manifest]) -> bool:
    """Whether any of the tolerations covers the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


def wants(spec: Manifest, node: Manifest) -> bool:
    """Whether the node is one that the Pod's nodeSelector and required node affinity ask for."""
    if not (spec.get("nodeSelector") or {}).items() <= (node["metadata"].get("labels") or {}).items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(term_matches(term, node) for term in required["nodeSelectorTerms"])


def term_matches(term: Manifest, node: Manifest) -> bool:
    """Whether a node selector term selects the node; an empty one selects nothing."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    return bool(by_label or by_field) and all(
        Requirement(e["key"], _OPERATORS[e["operator"]], tuple(e.get("values") or ())).matches(values)
        for expressions, values in ((by_label, labels), (by_field, fields))
        for e in expressions
    )
