"""How many Pods of a budget there should be, and how many of them are well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dockyard.cluster.owners import controller_of
from dockyard.cluster.podstate import is_ready, is_terminating, unix

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

# An eviction that was allowed and has not even begun after this long counts no more.
DELETION_TIMEOUT_SECONDS = 120.0


class ScaleUnknownError(Exception):
    """The expected number of Pods can't be found; the message says why."""


def expected(api: Api, budget: Manifest, pods: list[Manifest]) -> tuple[int, int]:
    """(Pods that there should be, Pods that have to stay healthy). Raises ScaleUnknownError."""
    spec = budget["spec"]
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None:
        count = _scale(api, pods)
        return count, max(0, count - _part(most, count))
    if least is None:
        return 0, 0
    if isinstance(least, int):
        # A plain number needs no scale: the Pods that are there are all that is asked about.
        return len(pods), least
    count = _scale(api, pods)
    return count, _part(least, count)


def disrupted(budget: Manifest, pods: list[Manifest], now: float) -> tuple[dict[str, str], float | None]:
    """Evictions allowed and not begun yet, by Pod; and in how many seconds the first of them is given up."""
    by_name = {pod["metadata"]["name"]: pod for pod in pods}
    kept: dict[str, str] = {}
    waits = []
    for name, since in (budget["status"].get("disruptedPods") or {}).items():
        left = unix(since) + DELETION_TIMEOUT_SECONDS - now
        if name in by_name and not is_terminating(by_name[name]) and left > 0:
            kept[name] = since
            waits.append(left)
    return kept, min(waits) if waits else None


def healthy(pods: Iterable[Manifest], evicted: Iterable[str]) -> int:
    """How many Pods are Ready and neither going nor about to go."""
    gone = set(evicted)
    return sum(
        1 for pod in pods if is_ready(pod) and not is_terminating(pod) and pod["metadata"]["name"] not in gone
    )


def _part(value: int | str, count: int) -> int:
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"(\d+)%", value)
    return -(-int(match[1]) * count // 100) if match else 0


def _scale(api: Api, pods: list[Manifest]) -> int:
    scales: dict[str, int] = {}
    for pod in pods:
        reference = controller_of(pod)
        if reference is None:
            continue  # as upstream, Pods of nobody count only when they are healthy
        namespace = pod["metadata"]["namespace"]
        uid, replicas = _replicas_of(api, reference, namespace, pod["metadata"]["name"])
        scales[uid] = replicas
    return sum(scales.values())


def _replicas_of(api: Api, reference: Manifest, namespace: str, pod: str) -> tuple[str, int]:
    kind = api.kinds.of(reference["apiVersion"], reference["kind"])
    owner = None if kind is None else api.find(kind.id, reference["name"], namespace)
    if kind is None or owner is None or owner["metadata"]["uid"] != reference["uid"]:
        raise ScaleUnknownError(f'found no controllers for pod "{pod}"')
    if kind.kind == "ReplicaSet" and (parent := controller_of(owner)) is not None:
        return _replicas_of(api, parent, namespace, pod)
    if "scale" not in kind.subresources:
        group = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        raise ScaleUnknownError(f"{group} does not implement the scale subresource")
    return owner["metadata"]["uid"], int(owner["spec"].get("replicas", 1))
