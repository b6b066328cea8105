"""What may be said about places: affinity and topology spread of Pods, taints of nodes."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import names
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values

Manifest = dict[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_node(node: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    """A Node: its taints."""
    seen = set()
    for index, taint in enumerate(node["spec"].get("taints") or ()):
        here = f"spec.taints[{index}]"
        _label_name(taint.get("key", ""), f"{here}.key", errors)
        for problem in names.label_value_problems(taint.get("value") or ""):
            errors.invalid(f"{here}.value", taint["value"], problem)
        effect = taint.get("effect")
        if not effect:
            errors.required(f"{here}.effect")
        elif effect not in _EFFECTS:
            errors.not_supported(f"{here}.effect", effect, _EFFECTS, keep_order=True)
        if (taint.get("key"), effect) in seen:
            errors.invalid(here, taint, "taints must be unique by key and effect pair")
        seen.add((taint.get("key"), effect))


def validate_affinity(affinity: Manifest, path: str, errors: FieldErrors) -> None:
    """A Pod's affinity to nodes, and to and from other Pods."""
    rules = affinity.get("nodeAffinity") or {}
    required = rules.get(_REQUIRED)
    if required is not None:
        here = f"{path}.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
        if not required.get("nodeSelectorTerms"):
            errors.required(here, "must have at least one node selector term")
        for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
            _node_term(term, f"{here}[{index}]", errors)
    for index, weighted in enumerate(rules.get(_PREFERRED) or ()):
        here = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        _weight(weighted, here, errors)
        _node_term(weighted.get("preference") or {}, f"{here}.preference", errors)
    for name in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(name) or {}
        for index, term in enumerate(rules.get(_REQUIRED) or ()):
            _pod_term(term, f"{path}.{name}.{_REQUIRED}[{index}]", errors)
        for index, weighted in enumerate(rules.get(_PREFERRED) or ()):
            here = f"{path}.{name}.{_PREFERRED}[{index}]"
            _weight(weighted, here, errors)
            _pod_term(weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm", errors)


def validate_spread(constraints: Any, path: str, errors: FieldErrors) -> None:
    """A Pod's topologySpreadConstraints."""
    seen = set()
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        if constraint.get("maxSkew", 0) <= 0:
            errors.invalid(f"{here}.maxSkew", constraint.get("maxSkew", 0), "must be greater than zero")
        if not constraint.get("topologyKey"):
            errors.required(f"{here}.topologyKey", "can not be empty")
        policy = constraint.get("whenUnsatisfiable", "")
        values.one_of(policy, ("DoNotSchedule", "ScheduleAnyway"), f"{here}.whenUnsatisfiable", errors)
        pair = f"{{{constraint.get('topologyKey', '')}, {policy}}}"
        if pair in seen:
            errors.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", pair)
        seen.add(pair)
        least = constraint.get("minDomains")
        if least is not None and least <= 0:
            errors.invalid(f"{here}.minDomains", least, "must be greater than zero")
        elif least is not None and policy != "DoNotSchedule":
            why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {policy}"
            errors.invalid(f"{here}.minDomains", least, why)
        values.label_selector(constraint.get("labelSelector") or {}, f"{here}.labelSelector", errors)


def _weight(weighted: Manifest, path: str, errors: FieldErrors) -> None:
    if not 1 <= weighted.get("weight", 0) <= 100:
        errors.invalid(f"{path}.weight", weighted.get("weight", 0), "must be in the range 1-100")


def _node_term(term: Manifest, path: str, errors: FieldErrors) -> None:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, found = expression.get("operator", ""), expression.get("values") or ()
        if operator in ("In", "NotIn"):
            if not found:
                errors.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if found:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.forbidden(f"{here}.values", why)
        elif operator in ("Gt", "Lt"):
            if len(found) != 1:
                why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                errors.required(f"{here}.values", why)
        else:
            errors.invalid(f"{here}.operator", operator, "not a valid selector operator")
        _label_name(expression.get("key", ""), f"{here}.key", errors)
    for index, expression in enumerate(term.get("matchFields") or ()):
        here = f"{path}.matchFields[{index}]"
        if expression.get("operator") not in ("In", "NotIn"):
            errors.invalid(
                f"{here}.operator", expression.get("operator", ""), "not a valid selector operator"
            )
        elif len(expression.get("values") or ()) != 1:
            why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.required(f"{here}.values", why)
        if expression.get("key") != "metadata.name":
            errors.invalid(f"{here}.key", expression.get("key", ""), "not a valid field selector key")


def _pod_term(term: Manifest, path: str, errors: FieldErrors) -> None:
    values.label_selector(term.get("labelSelector") or {}, f"{path}.labelSelector", errors)
    values.label_selector(term.get("namespaceSelector") or {}, f"{path}.namespaceSelector", errors)
    for name in term.get("namespaces") or ():
        values.dns_label(name, f"{path}.namespace", errors)
    if not term.get("topologyKey"):
        errors.required(f"{path}.topologyKey", "can not be empty")
    else:
        _label_name(term["topologyKey"], f"{path}.topologyKey", errors)


def _label_name(name: str, path: str, errors: FieldErrors) -> None:
    for problem in names.label_key_problems(name):
        errors.invalid(path, name, problem)
