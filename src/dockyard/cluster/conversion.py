"""Versions served beside the stored one: autoscaling/v1, shown out of autoscaling/v2 and read into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

Manifest = dict[str, Any]

_ANNOTATION = "autoscaling.alpha.kubernetes.io/"
# What autoscaling/v1 has no field for.
# Differs: the annotations of autoscaling/v1 hold v2's JSON, upstream's an older form of it.
_ANNOTATED = {
    "metrics": ("spec", "metrics"),
    "behavior": ("spec", "behavior"),
    "current-metrics": ("status", "currentMetrics"),
    "conditions": ("status", "conditions"),
}
_USE = "targetCPUUtilizationPercentage"
_CURRENT_USE = "currentCPUUtilizationPercentage"


class Conversion(NamedTuple):
    """How objects of one version are made from `stored` ones, and these from them; neither is modified."""

    stored: str
    show: Callable[[Manifest], Manifest]
    read: Callable[[Manifest], Manifest]


def _show_autoscaler(obj: Manifest) -> Manifest:
    shown = _parts(obj, "autoscaling/v1")
    spec, status = shown["spec"], shown["status"]
    others = []
    for metric in spec.get("metrics") or ():
        use = _use_of_cpu(metric, "target")
        if use is None or _USE in spec:
            others.append(metric)
        else:
            spec[_USE] = use
    spec["metrics"] = others
    for metric in status.get("currentMetrics") or ():
        use = _use_of_cpu(metric, "current")
        if use is not None:
            status[_CURRENT_USE] = use
    annotations = dict(shown["metadata"].get("annotations") or {})
    for name, (part, field) in _ANNOTATED.items():
        value = shown[part].pop(field, None)
        if value:
            annotations[_ANNOTATION + name] = json.dumps(value, separators=(",", ":"))
    if annotations:
        shown["metadata"]["annotations"] = annotations
    status.setdefault("currentReplicas", 0)
    return shown


def _read_autoscaler(obj: Manifest) -> Manifest:
    read = _parts(obj, "autoscaling/v2")
    annotations = dict(read["metadata"].get("annotations") or {})
    for name, (part, field) in _ANNOTATED.items():
        try:
            read[part][field] = json.loads(annotations.pop(_ANNOTATION + name))
        except (KeyError, ValueError):  # not there, or not ours
            continue
    if "annotations" in read["metadata"]:
        read["metadata"]["annotations"] = annotations
    use = read["spec"].pop(_USE, None)
    if use is not None:
        target = {"type": "Utilization", "averageUtilization": use}
        metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        read["spec"]["metrics"] = [metric, *read["spec"].get("metrics", ())]
    read["status"].pop(_CURRENT_USE, None)
    if not read["status"]:
        del read["status"]
    return read


def _parts(obj: Manifest, version: str) -> Manifest:
    """A copy that may be changed as deep as the fields of metadata, spec and status."""
    copied = {part: dict(obj.get(part) or {}) for part in ("metadata", "spec", "status")}
    return {**obj, "apiVersion": version, **copied}


def _use_of_cpu(metric: Manifest, part: str) -> int | None:
    resource = metric.get("resource") or {}
    use: int | None = (resource.get(part) or {}).get("averageUtilization")
    return use if resource.get("name") == "cpu" else None


AUTOSCALER = Conversion("autoscaling/v2", _show_autoscaler, _read_autoscaler)
