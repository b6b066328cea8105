"""What a Pod asks of a node, in whole numbers: millicores of CPU, bytes, and pieces of anything else."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from dockyard.cluster.quantity import parse
from dockyard.cluster.store import Manifest

# What a container without a request counts for when nodes are compared (upstream's GetNonzeroRequests).
_USUAL = {"cpu": 100, "memory": 200 << 20}


@lru_cache(maxsize=4096)
def amount(resource: str, text: str) -> int:
    """A quantity in the unit of its resource, rounded up. Raises ValueError."""
    value = parse(text) * (1000 if resource == "cpu" else 1)
    return -(-value.numerator // value.denominator)


def amounts(quantities: Mapping[str, str] | None) -> Counter[str]:
    """The quantities as numbers; one that can't be read, as anybody may write into a status, is none."""
    found: Counter[str] = Counter()
    for name, text in (quantities or {}).items():
        with contextlib.suppress(ValueError):
            found[name] = amount(name, str(text))
    return found


def requests(pod: Manifest) -> Counter[str]:
    """What the Pod asks for: its containers together, or its biggest init container when that is more."""
    return _total(pod["spec"], {})


def usual_requests(pod: Manifest) -> Counter[str]:
    """As `requests`, with a guess for containers that ask for no CPU or memory."""
    return _total(pod["spec"], _USUAL)


def _total(spec: Manifest, least: Mapping[str, int]) -> Counter[str]:
    total: Counter[str] = Counter()
    for container in spec["containers"]:
        total += _of(container, least)
    peak: Counter[str] = Counter()
    sidecars: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars += _of(container, least)
            peak |= sidecars
        else:
            peak |= sidecars + _of(container, least)
    total = (total + sidecars) | peak
    # What the Pod asks for as a whole takes the place of what its containers ask for.
    total.update({name: n - total[name] for name, n in _of(spec, {}).items()})
    return total + amounts(spec.get("overhead"))


def _of(holder: Manifest, least: Mapping[str, int]) -> Counter[str]:
    asked = amounts((holder.get("resources") or {}).get("requests"))
    for name, number in least.items():
        asked.setdefault(name, number)
    return asked
