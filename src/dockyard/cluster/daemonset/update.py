"""How a DaemonSet replaces Pods of an old template: a few nodes at a time, with or without surge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.history import POD_LABEL
from dockyard.cluster.podstate import is_terminating, seconds_until_available
from dockyard.cluster.rollout.scaling import absolute
from dockyard.cluster.store import Manifest


class Moves(NamedTuple):
    """Nodes that get a Pod now, and Pods that go now."""

    nodes: list[str]
    pods: list[Manifest]


def is_current(pod: Manifest, digest: str) -> bool:
    """Whether the Pod is of the template whose revision has this hash."""
    return bool(pod["metadata"].get("labels", {}).get(POD_LABEL) == digest)


def is_available(api: Api, daemonset: Manifest, pod: Manifest) -> bool:
    """Whether the Pod has been Ready for `minReadySeconds`."""
    return seconds_until_available(pod, _min_ready(daemonset), api.clock.now()) == 0.0


def until_available(api: Api, daemonset: Manifest, pods: list[Manifest]) -> float | None:
    """In how many seconds the next Ready Pod becomes available, or None when none waits for that."""
    waits = (seconds_until_available(pod, _min_ready(daemonset), api.clock.now()) for pod in pods)
    return min((wait for wait in waits if wait), default=None)


def _min_ready(daemonset: Manifest) -> int:
    return int(daemonset["spec"].get("minReadySeconds", 0))


def surge_and_unavailable(daemonset: Manifest, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in nodes, both rounded up; one may be unavailable when both come to zero."""
    strategy = daemonset["spec"]["updateStrategy"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = absolute(rolling.get("maxSurge", 0), desired, round_up=True)
    unavailable = absolute(rolling.get("maxUnavailable", 1), desired, round_up=True)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def moves(
    api: Api, daemonset: Manifest, pods: Mapping[str, list[Manifest]], digest: str, desired: int
) -> Moves:
    """The next moves of a rolling update. `pods` are the daemon's by node, without those that have ended."""
    surge, unavailable = surge_and_unavailable(daemonset, desired)
    if surge:
        return _surge(api, daemonset, pods, digest, surge)
    down, hopeless, candidates = 0, [], []
    for node in sorted(pods):
        new, old = _pair(pods[node], digest)
        if (new is None) == (old is None):
            down += 1  # on its way: nobody there, or one too many that is being removed
        elif new is not None:
            down += not is_available(api, daemonset, new)
        elif old is not None and not is_available(api, daemonset, old):
            # Serves nobody, so that replacing it costs nothing; but it does count as unavailable.
            hopeless.append(old)
            down += 1
        elif old is not None:
            candidates.append(old)
    return Moves([], [*hopeless, *candidates[: max(0, unavailable - down)]])


def _surge(
    api: Api, daemonset: Manifest, pods: Mapping[str, list[Manifest]], digest: str, surge: int
) -> Moves:
    extra, hopeless, candidates, replaced = 0, [], [], []
    for node in sorted(pods):
        new, old = _pair(pods[node], digest)
        if old is None:
            continue
        if new is not None:
            if is_available(api, daemonset, new):
                replaced.append(old)
            else:
                extra += 1
        elif is_available(api, daemonset, old):
            candidates.append(node)
        else:
            hopeless.append(node)
    return Moves([*hopeless, *candidates[: max(0, surge - extra)]], replaced)


def _pair(pods: list[Manifest], digest: str) -> tuple[Manifest | None, Manifest | None]:
    """(the Pod of the new template, the Pod of an old one) that stay on a node."""
    staying = [pod for pod in pods if not is_terminating(pod)]
    new = next((pod for pod in staying if is_current(pod, digest)), None)
    old = next((pod for pod in staying if not is_current(pod, digest)), None)
    return new, old
