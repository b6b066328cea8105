"""How many replicas the use of a resource asks for, when some Pods can't be measured."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.autoscaling.metrics import UnknownMetricError, propose
from dockyard.cluster.metrics.readings import Readings, Sample

CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
START, NOW = "2025-01-01T00:00:00Z", 1735689600.0 + 3600


def pod(name: str, *, ready: bool = True, phase: str = "Running", cpu: str | None = "100m") -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": START}
    return {
        "metadata": {"name": name, "uid": name, "namespace": "default"},
        "spec": {"containers": [{"name": "main", "resources": resources}]},
        "status": {"phase": phase, "startTime": START, "conditions": [condition]},
    }


def readings(**cores: float) -> Readings:
    """Two scrapes, fifteen seconds apart."""
    found = Readings()
    for time in (NOW - 20, NOW - 5):
        taken = {
            name: {"main": Sample(time, 0.0, round((time - NOW) * use * 1e9) + 10**15, 1 << 20)}
            for name, use in cores.items()
        }
        found.take(taken)
    return found


def ask(pods: list[dict[str, Any]], known: Readings, metric: dict[str, Any] = CPU, **spec: Any) -> int:
    return propose(metric, spec, len(pods), pods, known, NOW).replicas


def test_twice_the_target_asks_for_twice_the_replicas() -> None:
    assert ask([pod("a"), pod("b")], readings(a=0.1, b=0.1)) == 4


@pytest.mark.parametrize(("cores", "replicas"), [(0.054, 2), (0.046, 2), (0.056, 3), (0.020, 1)])
def test_a_tenth_off_the_target_changes_nothing(cores: float, replicas: int) -> None:
    assert ask([pod("a"), pod("b")], readings(a=cores, b=cores)) == replicas


def test_the_tolerance_of_a_direction_can_be_set() -> None:
    behavior = {"scaleUp": {"tolerance": "500m"}, "scaleDown": {"tolerance": "0"}}
    assert ask([pod("a"), pod("b")], readings(a=0.07, b=0.07), behavior=behavior) == 2
    assert ask([pod("a"), pod("b")], readings(a=0.024, b=0.024), behavior=behavior) == 1


def test_a_pod_without_readings_counts_as_idle_upwards_and_as_busy_downwards() -> None:
    assert ask([pod("a"), pod("b")], readings(a=0.2)) == 4  # (200 + 0) / 200 requested is 100 %, not 200 %
    assert ask([pod("a"), pod("b")], readings(a=0.01)) == 2


def test_an_unready_pod_holds_scaling_up_back() -> None:
    assert ask([pod("a"), pod("b", ready=False)], readings(a=0.08, b=0.5)) == 2


def test_a_failed_pod_is_ignored() -> None:
    assert ask([pod("a"), pod("b", phase="Failed")], readings(a=0.1, b=0.1)) == 2


def test_an_average_value_needs_no_requests() -> None:
    target = {"type": "AverageValue", "averageValue": "40m"}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    assert ask([pod("a", cpu=None), pod("b", cpu=None)], readings(a=0.08, b=0.08), metric) == 4


@pytest.mark.parametrize(
    ("pods", "known", "problem"),
    [
        ([], readings(), "no pods returned by selector while calculating replica count"),
        ([pod("a", cpu=None)], readings(a=0.1), "missing request for cpu in container main of Pod a"),
        (
            [pod("a")],
            readings(),
            "unable to get metrics for resource cpu: no metrics returned from resource metrics API",
        ),
        (
            [pod("a", ready=False)],
            readings(a=0.1),
            "did not receive metrics for targeted pods (pods might be unready)",
        ),
    ],
)
def test_what_cannot_be_told_is_named(pods: list[dict[str, Any]], known: Readings, problem: str) -> None:
    with pytest.raises(UnknownMetricError) as caught:
        ask(pods, known)
    assert str(caught.value) == f"failed to get cpu utilization: {problem}"
    assert caught.value.reason == "FailedGetResourceMetric"


def test_metrics_that_need_an_adapter_are_unknown() -> None:
    with pytest.raises(UnknownMetricError, match="no custom metrics API registered"):
        ask([pod("a")], readings(a=0.1), {"type": "Pods", "pods": {}})
