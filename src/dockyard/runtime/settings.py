"""Resource limits and cores, from a container's words to the kernel's numbers, cut to what we may give."""

from __future__ import annotations

import os
import resource

from dockyard.runtime.spec import ContainerSpec, Ulimit

# Since Linux 5.14 RLIMIT_NPROC counts a user namespace's own processes (kernel/ucount.c).
_COUNTS_BY_NAMESPACE = (5, 14)


def rlimits(spec: ContainerSpec, *, user_namespace: bool) -> list[tuple[int, int, int]]:
    """Number, soft and hard value of each resource limit of a container, cut to what we may give.

    With a user namespace of one user, a limit of processes is the container's own limit.
    """
    limits = [_number(limit) for limit in spec.ulimits if hasattr(resource, f"RLIMIT_{limit.name.upper()}")]
    if user_namespace and spec.limits.pids is not None and counts_processes():
        limits = [one for one in limits if one[0] != resource.RLIMIT_NPROC]
        limits.append((resource.RLIMIT_NPROC, spec.limits.pids, spec.limits.pids))
    if os.geteuid() == 0:
        return limits
    # Differs: a plain user can't raise a hard limit; what was asked for is cut to his own.
    return [_cut(*limit, resource.getrlimit(limit[0])[1]) for limit in limits]


def counts_processes() -> bool:
    """Whether RLIMIT_NPROC can stand for a limit of a user namespace's processes."""
    major, minor, *_ = os.uname().release.split(".")
    number = "".join(digit for digit in minor if digit.isdigit())
    return (int(major), int(number or 0)) >= _COUNTS_BY_NAMESPACE


def cores(text: str) -> list[int]:
    """The cores that "0-2,5" names."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)


def _number(limit: Ulimit) -> tuple[int, int, int]:
    return getattr(resource, f"RLIMIT_{limit.name.upper()}"), limit.soft, limit.hard


def _cut(number: int, soft: int, hard: int, most: int) -> tuple[int, int, int]:
    def least(value: int) -> int:
        return value if most == resource.RLIM_INFINITY else most if value < 0 else min(value, most)

    return number, least(soft), least(hard)
