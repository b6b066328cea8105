"""What a whole Pod asks for: the containers that run together, or the greediest moment of its start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dockyard.cluster import quantity

Manifest = dict[str, Any]
Amounts = dict[str, str]


def pod_total(spec: Manifest, which: str) -> Amounts:
    """The Pod's `requests` or `limits` by resource, as upstream's PodRequests and PodLimits.

    Containers and sidecars run together, an init container with the sidecars before it; overhead is added.
    """
    running = [_of(container, which) for container in spec.get("containers") or ()]
    sidecars: list[Amounts] = []
    starting: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars.append(_of(container, which))
            starting.append(add(sidecars))
        else:
            starting.append(add([*sidecars, _of(container, which)]))
    total = most([add([*running, *sidecars]), *starting])
    overhead = spec.get("overhead") or {}
    if which == "limits":
        overhead = {name: amount for name, amount in overhead.items() if name in total}
    return add([total, overhead]) if overhead else total


def add(parts: Iterable[Amounts]) -> Amounts:
    """The sum by resource."""
    found: dict[str, list[str]] = {}
    for part in parts:
        for name, amount in part.items():
            found.setdefault(name, []).append(amount)
    return {name: quantity.total(amounts) for name, amounts in found.items()}


def most(parts: Iterable[Amounts]) -> Amounts:
    """The greatest amount of each resource."""
    found: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            if name not in found or quantity.parse(amount) > quantity.parse(found[name]):
                found[name] = amount
    return found


def _of(container: Manifest, which: str) -> Amounts:
    return (container.get("resources") or {}).get(which) or {}
