"""How many replicas the use of a resource asks for.

Source: kubernetes/pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go. Amounts are
thousandths: of a core, or of a byte.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dockyard.cluster import quantity
from dockyard.cluster.metrics.readings import PodReading, Readings
from dockyard.cluster.podstate import condition, is_terminating, unix
from dockyard.cluster.store import Manifest

TOLERANCE = 0.1  # kube-controller-manager --horizontal-pod-autoscaler-tolerance
INITIALIZATION_SECONDS = 300.0  # --horizontal-pod-autoscaler-cpu-initialization-period
INITIAL_READINESS_SECONDS = 30.0  # --horizontal-pod-autoscaler-initial-readiness-delay


class MetricError(Exception):
    """A metric can't be told; the message is upstream's."""


class Tolerances(NamedTuple):
    """By how much of the target the use may be off, upwards and downwards, without a change."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def hold(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Wanted(NamedTuple):
    """Replicas, and what led to them: use as a percentage of the requests (None: of no use), and per Pod."""

    replicas: int
    utilization: int | None
    average: int


class _Groups(NamedTuple):
    ready: int
    unready: set[str]
    missing: set[str]
    ignored: set[str]


class Source(NamedTuple):
    """What a metric is read from: one resource, of all containers or of one."""

    resource: str
    container: str
    pods: Sequence[Manifest]
    readings: Readings


def of_utilization(source: Source, current: int, target: int, tolerances: Tolerances, now: float) -> Wanted:
    """Replicas for a use of `target` % of the requests. Raises MetricError."""
    uses, groups = _collect(source, now)
    requests = _requests(source)
    measured = _without(uses, groups)
    ratio, utilization, average = _utilization_ratio(measured, requests, target)

    def again(extended: dict[str, int]) -> float:
        return _utilization_ratio(extended, requests, target)[0]

    # A Pod that can't be measured counts as fully used when the others ask for less.
    fallback = max(100, target)
    missing = {name: requests.get(name, 0) * fallback // 100 for name in groups.missing}
    replicas = _replicas(current, ratio, measured, groups, tolerances, again, missing)
    return Wanted(replicas, utilization, average)


def of_average(source: Source, current: int, target: int, tolerances: Tolerances, now: float) -> Wanted:
    """Replicas for a use of `target` (thousandths) on average. Raises MetricError."""
    uses, groups = _collect(source, now)
    measured = _without(uses, groups)

    def ratio_of(found: dict[str, int]) -> float:
        return sum(found.values()) / len(found) / target

    missing = dict.fromkeys(groups.missing, target)
    replicas = _replicas(current, ratio_of(measured), measured, groups, tolerances, ratio_of, missing)
    return Wanted(replicas, None, sum(measured.values()) // len(measured))


def _replicas(
    current: int,
    ratio: float,
    measured: dict[str, int],
    groups: _Groups,
    tolerances: Tolerances,
    again: Callable[[dict[str, int]], float],
    missing: dict[str, int],
) -> int:
    with_unready = bool(groups.unready) and ratio > 1.0
    if not with_unready and not groups.missing:
        return current if tolerances.hold(ratio) else math.ceil(ratio * groups.ready)
    extended = dict(measured)
    if groups.missing and ratio < 1.0:
        extended |= missing
    elif groups.missing and ratio > 1.0:
        extended |= dict.fromkeys(groups.missing, 0)
    if with_unready:
        extended |= dict.fromkeys(groups.unready, 0)
    new_ratio = again(extended)
    if tolerances.hold(new_ratio) or (ratio < 1.0 < new_ratio) or (new_ratio < 1.0 < ratio):
        return current
    replicas = math.ceil(new_ratio * len(extended))
    if (new_ratio < 1.0 and replicas > current) or (new_ratio > 1.0 and replicas < current):
        return current  # what was guessed must not turn the direction
    return replicas


def _collect(source: Source, now: float) -> tuple[dict[str, int], _Groups]:
    readings = {pod["metadata"]["name"]: source.readings.of(pod["metadata"]["uid"]) for pod in source.pods}
    known = {name: reading for name, reading in readings.items() if reading is not None}
    if not known:
        raise MetricError(
            f"unable to get metrics for resource {source.resource}: "
            "no metrics returned from resource metrics API"
        )
    if source.container:
        known = {name: reading for name, reading in known.items() if source.container in reading.containers}
        if not known:
            raise MetricError(
                f"container {source.container} not present in metrics for pods of resource {source.resource}"
            )
    groups = _group(source, known, now)
    uses = {name: _use(reading, source) for name, reading in known.items()}
    if not _without(uses, groups):
        raise MetricError("did not receive metrics for targeted pods (pods might be unready)")
    return uses, groups


def _without(uses: dict[str, int], groups: _Groups) -> dict[str, int]:
    return {name: use for name, use in uses.items() if name not in groups.unready | groups.ignored}


def _use(reading: PodReading, source: Source) -> int:
    found = [use for name, use in reading.containers.items() if source.container in ("", name)]
    if source.resource == "cpu":
        return sum(-(-use.cpu // 1_000_000) for use in found)  # nanocores, rounded up as Quantity does
    return sum(use.memory * 1000 for use in found)


def _group(source: Source, known: dict[str, PodReading], now: float) -> _Groups:
    groups = _Groups(0, set(), set(), set())
    ready = 0
    for pod in source.pods:
        name = pod["metadata"]["name"]
        phase = pod["status"].get("phase")
        if is_terminating(pod) or phase == "Failed":
            groups.ignored.add(name)
        elif phase == "Pending":
            groups.unready.add(name)
        elif name not in known:
            groups.missing.add(name)
        elif source.resource == "cpu" and _is_unready(pod, known[name], now):
            groups.unready.add(name)
        else:
            ready += 1
    return groups._replace(ready=ready)


def _is_unready(pod: Manifest, reading: PodReading, now: float) -> bool:
    """Whether the CPU of a Pod says nothing yet, because it is starting or was never ready."""
    found, started = condition(pod, "Ready"), pod["status"].get("startTime")
    if found is None or not started:
        return True
    is_ready, changed = found["status"] == "True", unix(found["lastTransitionTime"])
    if unix(started) + INITIALIZATION_SECONDS > now:
        return not is_ready or reading.time < changed + reading.window
    return not is_ready and unix(started) + INITIAL_READINESS_SECONDS > changed


def _requests(source: Source) -> dict[str, int]:
    found: dict[str, int] = {}
    for pod in source.pods:
        total = 0
        sidecars = [c for c in pod["spec"].get("initContainers", ()) if c.get("restartPolicy") == "Always"]
        for container in [*pod["spec"]["containers"], *sidecars]:
            if source.container and container["name"] != source.container:
                continue
            asked = (container.get("resources") or {}).get("requests", {}).get(source.resource)
            if asked is None:
                raise MetricError(
                    f"missing request for {source.resource} in container {container['name']} of Pod "
                    f"{pod['metadata']['name']}"
                )
            total += math.ceil(quantity.parse(asked) * 1000)
        found[pod["metadata"]["name"]] = total
    return found


def _utilization_ratio(uses: dict[str, int], requests: dict[str, int], target: int) -> tuple[float, int, int]:
    asked = sum(requests.get(name, 0) for name in uses)
    used = sum(uses.values())
    if asked == 0:
        raise MetricError("no metrics returned matched known pods")
    utilization = used * 100 // asked
    return utilization / target, utilization, used // len(uses)
