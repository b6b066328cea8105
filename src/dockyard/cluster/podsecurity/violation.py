"""What a check finds, and how it names the containers that it finds it in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

Manifest = dict[str, Any]


class Violation(NamedTuple):
    """One thing that a level forbids: in short, and where exactly."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Manifest, Manifest], Violation | None]  # (metadata, spec) of a Pod or of a template


def containers(spec: Manifest) -> Iterator[Manifest]:
    """Init, main and ephemeral containers, in that order."""
    for name in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(name) or ()


def context(owner: Manifest) -> Manifest:
    """The securityContext of a Pod's spec or of a container, {} for none."""
    return owner.get("securityContext") or {}


def quoted(names: Collection[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def named(names: Collection[str], word: str = "container") -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{word}{'s' if len(names) > 1 else ''} {quoted(names)}"


def setters(pod: bool, names: Collection[str]) -> str:
    """Who sets something: `pod`, `container "a"`, or both."""
    return " and ".join([*(["pod"] if pod else []), *([named(names)] if names else [])])
