"""How fast the number of replicas may change: stabilisation windows, policies, and the least and the most.

Source: kubernetes/pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from dockyard.cluster.store import Manifest

DOWN_WINDOW_SECONDS = 300  # kube-controller-manager --horizontal-pod-autoscaler-downscale-stabilization
_LONGEST_WINDOW_SECONDS = 3600


@dataclass
class History:
    """What an autoscaler recommended and did; lost with a restart, as upstream's."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)  # (Unix time, replicas)
    ups: list[tuple[float, int]] = field(default_factory=list)  # (Unix time, replicas added)
    downs: list[tuple[float, int]] = field(default_factory=list)

    def note_change(self, before: int, after: int, now: float) -> None:
        """Remember a rescale for the policies."""
        if after > before:
            self.ups.append((now, after - before))
        elif after < before:
            self.downs.append((now, before - after))


class Judged(NamedTuple):
    """The replicas to have, and the two conditions about it: (status, reason, message)."""

    replicas: int
    able: tuple[str, str, str]
    limited: tuple[str, str, str]


_SETTLED = ("True", "ReadyForNewScale", "recommended size matches current size")
_HELD_DOWN = (
    "True",
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_HELD_UP = (
    "True",
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_WITHIN = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FAST_UP = (
    "True",
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
_TOO_FAST_DOWN = (
    "True",
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)


def judge(spec: Manifest, history: History, current: int, desired: int, now: float) -> Judged:
    """What becomes of the metrics' wish."""
    if not history.recommendations:
        history.recommendations.append((now, current))
    if spec.get("behavior") is None:
        return _judge_plainly(spec, history, current, desired, now)
    behavior = spec["behavior"]
    up, down = behavior["scaleUp"], behavior["scaleDown"]
    stable, able = _stabilize(up, down, history, current, desired, now)
    replicas, limited = _limit(spec, history, current, stable, now)
    return Judged(replicas, able, limited)


def _judge_plainly(spec: Manifest, history: History, current: int, desired: int, now: float) -> Judged:
    recent = [replicas for time, replicas in history.recommendations if time > now - DOWN_WINDOW_SECONDS]
    _remember(history, desired, now, DOWN_WINDOW_SECONDS)
    stable = max([desired, *recent])
    able = _SETTLED if stable == desired else _HELD_DOWN
    fastest = max(2 * current, 4)
    least, most = spec["minReplicas"], spec["maxReplicas"]
    if stable < least:
        return Judged(least, able, _TOO_FEW)
    if stable > min(most, fastest):
        return Judged(min(most, fastest), able, _TOO_FAST_UP if most > fastest else _TOO_MANY)
    return Judged(stable, able, _WITHIN)


def _stabilize(
    up: Manifest, down: Manifest, history: History, current: int, desired: int, now: float
) -> tuple[int, tuple[str, str, str]]:
    up_window = up.get("stabilizationWindowSeconds", 0)
    down_window = down.get("stabilizationWindowSeconds", DOWN_WINDOW_SECONDS)
    lowest = min([desired, *(n for time, n in history.recommendations if time > now - up_window)])
    highest = max([desired, *(n for time, n in history.recommendations if time > now - down_window)])
    _remember(history, desired, now, max(up_window, down_window))
    stable = min(max(current, lowest), highest)
    if stable == desired:
        return stable, _SETTLED
    return stable, _HELD_UP if desired >= current else _HELD_DOWN


def _remember(history: History, desired: int, now: float, window: float) -> None:
    history.recommendations = [
        (time, replicas) for time, replicas in history.recommendations if time > now - window
    ]
    history.recommendations.append((now, desired))


def _limit(
    spec: Manifest, history: History, current: int, wanted: int, now: float
) -> tuple[int, tuple[str, str, str]]:
    least, most = spec["minReplicas"], spec["maxReplicas"]
    up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
    for events in (history.ups, history.downs):
        events[:] = [event for event in events if event[0] > now - _LONGEST_WINDOW_SECONDS]
    if wanted > current:
        fastest = max(current, _fastest_up(up, history, current, now))
        if wanted > min(most, fastest):
            return min(most, fastest), _TOO_FAST_UP if most > fastest else _TOO_MANY
    elif wanted < current:
        fastest = min(current, _fastest_down(down, history, current, now))
        if wanted < max(least, fastest):
            return max(least, fastest), _TOO_FAST_DOWN if least < fastest else _TOO_FEW
    return wanted, _WITHIN


def _fastest_up(rules: Manifest, history: History, current: int, now: float) -> int:
    if rules["selectPolicy"] == "Disabled":
        return current
    proposals: list[int] = []
    for policy in rules["policies"]:
        start = _at_start(history, current, policy["periodSeconds"], now)
        if policy["type"] == "Pods":
            proposals.append(start + policy["value"])
        else:
            proposals.append(math.ceil(start * (100 + policy["value"]) / 100))
    return min(proposals) if rules["selectPolicy"] == "Min" else max(proposals)


def _fastest_down(rules: Manifest, history: History, current: int, now: float) -> int:
    if rules["selectPolicy"] == "Disabled":
        return current
    proposals: list[int] = []
    for policy in rules["policies"]:
        start = _at_start(history, current, policy["periodSeconds"], now)
        if policy["type"] == "Pods":
            proposals.append(start - policy["value"])
        else:
            proposals.append(int(start * (100 - policy["value"]) / 100))
    # The largest change leaves the fewest replicas.
    return max(proposals) if rules["selectPolicy"] == "Min" else min(proposals)


def _at_start(history: History, current: int, period: float, now: float) -> int:
    """The replicas at the start of a policy's period."""
    added = sum(change for time, change in history.ups if time > now - period)
    removed = sum(change for time, change in history.downs if time > now - period)
    return current - added + removed
