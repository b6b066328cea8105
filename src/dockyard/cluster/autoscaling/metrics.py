"""The metrics of an autoscaler: what each asks for, what its status shows, and what it is called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dockyard.cluster import quantity
from dockyard.cluster.autoscaling.usage import (
    TOLERANCE,
    MetricError,
    Source,
    Tolerances,
    Wanted,
    of_average,
    of_utilization,
)
from dockyard.cluster.metrics.readings import Readings
from dockyard.cluster.store import Manifest

_FAILED = {
    "ContainerResource": "FailedGetContainerResourceMetric",
    "External": "FailedGetExternalMetric",
    "Object": "FailedGetObjectMetric",
    "Pods": "FailedGetPodsMetric",
    "Resource": "FailedGetResourceMetric",
}


class Proposal(NamedTuple):
    """What one metric asks for."""

    replicas: int
    name: str
    status: Manifest


class UnknownMetricError(MetricError):
    """A metric that has no value; `reason` is the condition's."""

    def __init__(self, reason: str, message: str, summary: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.summary = summary


def propose(
    metric: Manifest, spec: Manifest, current: int, pods: Sequence[Manifest], readings: Readings, now: float
) -> Proposal:
    """What a metric of the spec asks for. Raises UnknownMetricError."""
    kind = metric["type"]
    source_field = {"Resource": "resource", "ContainerResource": "containerResource"}.get(kind)
    if source_field is None:
        # Differs: custom and external metrics have no source here, as in a cluster without an adapter.
        api = "external" if kind == "External" else "custom"
        problem = f"unable to get {kind.lower()} metric: no {api} metrics API registered"
        raise UnknownMetricError(
            _FAILED[kind], problem, f"failed to get {kind.lower()} metric value: {problem}"
        )
    described = metric[source_field]
    resource, container = described["name"], described.get("container", "")
    source = Source(resource, container, pods, readings)
    target = described["target"]
    whose = f"{resource} container resource" if container else f"{resource} resource"
    try:
        wanted = _wanted(source, target, current, _tolerances(spec), now)
    except MetricError as error:
        problem = f"failed to get {resource} utilization: {error}"
        if target.get("averageUtilization") is None:
            problem = f"failed to get {resource} usage: {error}"
        summary = f"failed to get {whose} metric value: {problem}"
        raise UnknownMetricError(_FAILED[kind], problem, summary) from error
    shown: Manifest = {"averageValue": _shown(wanted.average, resource)}
    if wanted.utilization is not None:
        shown["averageUtilization"] = wanted.utilization
    status: Manifest = {"name": resource, **({"container": container} if container else {}), "current": shown}
    name = f"{whose} utilization (percentage of request)" if wanted.utilization is not None else whose
    return Proposal(wanted.replicas, name, {"type": kind, source_field: status})


def _wanted(source: Source, target: Manifest, current: int, tolerances: Tolerances, now: float) -> Wanted:
    if not source.pods:
        raise MetricError("no pods returned by selector while calculating replica count")
    if target.get("averageUtilization") is not None:
        return of_utilization(source, current, target["averageUtilization"], tolerances, now)
    per_pod = math.ceil(quantity.parse(target["averageValue"]) * 1000)
    return of_average(source, current, per_pod, tolerances, now)


def _tolerances(spec: Manifest) -> Tolerances:
    behavior = spec.get("behavior") or {}

    def of(direction: str) -> float:
        given = (behavior.get(direction) or {}).get("tolerance")
        return TOLERANCE if given is None else float(quantity.parse(given))

    return Tolerances(of("scaleUp"), of("scaleDown"))


def _shown(thousandths: int, resource: str) -> str:
    if resource == "cpu":
        return quantity.canonical(f"{thousandths}m")
    return str(thousandths // 1000)
