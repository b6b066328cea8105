"""What autoscalers, disruption budgets, priorities and roles may be."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values

Manifest = dict[str, Any]

_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")
_HIGHEST = 1_000_000_000
_SYSTEM = ("system-cluster-critical", "system-node-critical")


def validate_autoscaler(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    spec = obj["spec"]
    least, most, metrics = spec["minReplicas"], spec.get("maxReplicas", 0), spec.get("metrics") or ()
    outside = any(metric.get("type") in ("Object", "External") for metric in metrics)
    if least < 1 and not (least == 0 and outside):
        errors.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        errors.required("spec.maxReplicas", "must be set and greater than 0")
    if most < least:
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for key in ("kind", "name"):
        if not target.get(key):
            errors.required(f"spec.scaleTargetRef.{key}")
    if "/" not in target.get("apiVersion", ""):
        version = target.get("apiVersion", "")
        errors.invalid("spec.scaleTargetRef.apiVersion", version, "apiVersion must specify API group")
    for index, metric in enumerate(metrics):
        _metric(metric, f"spec.metrics[{index}]", errors)
    if least == 0 and not outside:
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.forbidden("spec.metrics", text)
    _behaviour(spec.get("behavior") or {}, errors)


def _metric(metric: Manifest, path: str, errors: FieldErrors) -> None:
    kind = metric.get("type", "")
    if kind not in _METRICS:
        for _ in range(2):  # upstream finds it twice, and shows it once
            errors.not_supported(f"{path}.type", kind, _METRICS)
        return
    resource = metric.get("resource")
    if kind != "Resource" or resource is None:
        return
    target = resource.get("target") or {}
    here = f"{path}.resource.target"
    if not target.get("type"):
        errors.required(f"{here}.type", "must specify a metric target type")
    if target.get("type") not in ("Utilization", "Value", "AverageValue"):
        text = "must be either Utilization, Value, or AverageValue"
        errors.invalid(f"{here}.type", target.get("type", ""), text)
    use = target.get("averageUtilization")
    if use is not None and use < 1:
        errors.invalid(f"{here}.averageUtilization", use, "must be greater than 0")
    if use is None and target.get("averageValue") is None:
        text = "must set either a target raw value or a target utilization"
        errors.required(f"{here}.averageUtilization", text)


def _behaviour(behavior: Manifest, errors: FieldErrors) -> None:
    for direction in ("scaleUp", "scaleDown"):
        window = (behavior.get(direction) or {}).get("stabilizationWindowSeconds")
        path = f"spec.behavior.{direction}.stabilizationWindowSeconds"
        values.non_negative(window, path, errors)
        if window is not None and window > 3600:
            errors.invalid(path, window, "must be less than or equal to 3600")


def validate_budget(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = {
            "MinAvailable": least,
            "Selector": spec.get("selector"),
            "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        errors.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for key in ("minAvailable", "maxUnavailable"):
        if spec.get(key) is not None:
            values.int_or_percent(spec[key], f"spec.{key}", errors)
            values.not_over_hundred_percent(spec[key], f"spec.{key}", errors)


def validate_priority_class(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    if old is not None:
        for key in ("value", "preemptionPolicy"):
            if obj.get(key) != old.get(key):
                errors.forbidden(key, "may not be changed in an update.")
        return
    if name.startswith("system-") and name not in _SYSTEM:
        errors.forbidden(
            "metadata.name",
            "priority class names with 'system-' prefix are reserved for system use only. error: "
            f"{name} is not a known system priority class",
        )
    elif value > _HIGHEST and name not in _SYSTEM:
        errors.forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}")


def validate_role(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    for index, rule in enumerate(obj.get("rules") or ()):
        here = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.required(f"{here}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            errors.required(f"{here}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            errors.required(f"{here}.resources", "resource rules must supply at least one resource")


def validate_binding(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    role = obj.get("roleRef") or {}
    if old is not None and role != old["roleRef"]:
        # Upstream shows the field of its internal type, whose names begin with capitals.
        shown = {"APIGroup": role.get("apiGroup"), "Kind": role.get("kind"), "Name": role.get("name")}
        errors.invalid("roleRef", shown, "cannot change roleRef")
    allowed = ("Role", "ClusterRole") if obj["kind"] == "RoleBinding" else ("ClusterRole",)
    if role.get("kind") not in allowed:
        errors.not_supported("roleRef.kind", role.get("kind", ""), allowed, keep_order=True)
    if not role.get("name"):
        errors.required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        here = f"subjects[{index}]"
        if not subject.get("name"):
            errors.required(f"{here}.name")
        kinds = ("ServiceAccount", "User", "Group")
        if subject.get("kind") not in kinds:
            errors.not_supported(f"{here}.kind", subject.get("kind", ""), kinds, keep_order=True)
        elif subject["kind"] != "ServiceAccount" or obj["kind"] == "RoleBinding":
            continue
        elif not subject.get("namespace"):
            errors.required(f"{here}.namespace")
