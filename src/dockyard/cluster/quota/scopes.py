"""Scopes: which Pods a quota is about (pkg/quota/v1/evaluator/core, podMatchesScopeFunc)."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]


def concerns(quota: Manifest, kind: Kind, obj: Manifest) -> bool:
    """Whether an object is in all the scopes of a quota; a quota with scopes is about Pods only."""
    spec = quota.get("spec") or {}
    needs = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    needs += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if not needs:
        return True
    return kind.key == "Pod" and all(_matches(need, obj) for need in needs)


def _matches(need: Manifest, pod: Manifest) -> bool:
    scope, spec = need["scopeName"], pod["spec"]
    if scope == "Terminating":
        return spec.get("activeDeadlineSeconds") is not None
    if scope == "NotTerminating":
        return spec.get("activeDeadlineSeconds") is None
    if scope in ("BestEffort", "NotBestEffort"):
        return bool((pod["status"].get("qosClass") == "BestEffort") == (scope == "BestEffort"))
    if scope == "PriorityClass":
        return _priority(need, spec.get("priorityClassName"))
    if scope == "CrossNamespacePodAffinity":
        return _crosses(spec.get("affinity") or {})
    return False


def _priority(need: Manifest, name: str | None) -> bool:
    operator, values = need.get("operator"), need.get("values") or ()
    if operator == "In":
        return name in values
    if operator == "NotIn":
        return name not in values
    return bool(name) == (operator == "Exists")


def _crosses(affinity: Manifest) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [weighted.get("podAffinityTerm") or {} for weighted in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
