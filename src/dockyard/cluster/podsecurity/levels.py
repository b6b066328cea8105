"""Levels: which checks each consists of, and which one a namespace's labels ask for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from dockyard.cluster.podsecurity.baseline import BASELINE, RELAXED
from dockyard.cluster.podsecurity.restricted import RESTRICTED
from dockyard.cluster.podsecurity.violation import Violation

Manifest = dict[str, Any]

LEVELS = ("privileged", "baseline", "restricted")
PREFIX = "pod-security.kubernetes.io/"


class Level(NamedTuple):
    """A level and the version of its rules, as `restricted:latest`."""

    name: str = "privileged"
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


def wanted(labels: dict[str, str] | None, mode: str) -> Level:
    """The level that a namespace's labels ask for in a mode: enforce, audit or warn.

    A level that doesn't exist means the strictest, as upstream's.
    """
    found = labels or {}
    name = found.get(PREFIX + mode, "privileged")
    version = found.get(f"{PREFIX}{mode}-version", "latest")
    if re.fullmatch(r"latest|v1\.\d+", version) is None:
        version = "latest"
    return Level(name if name in LEVELS else "restricted", version)


def violations(level: Level, metadata: Manifest, spec: Manifest) -> list[Violation]:
    """What of the Pod the level forbids, in upstream's order: the baseline's checks first, then by their ids.

    Differs: all versions of a level mean its newest rules.
    """
    if level.name == "privileged":
        return []
    checks = [*BASELINE, *(RELAXED if level.name == "baseline" else RESTRICTED)]
    if level.name == "baseline":
        checks.sort(key=lambda check: check.__name__)
    found = (check(metadata, spec) for check in checks)
    return [violation for violation in found if violation is not None]
