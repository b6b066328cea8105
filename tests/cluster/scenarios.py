"""The recorded scenarios of a real cluster: how much of each is compared with ours, and what differs.

Read by the tests that play them, and by tools/derived.py for docs/differences.md.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data" / "kubernetes"
# Recordings whose files have other names than their scenarios.
_NAMES = {"autoscaling": "hpa-scale", "custom-resources": "crd-and-custom-resources"}


@dataclass
class Scenario:
    """One scenario; `different` says what goes otherwise, and why.

    `histories` counts the objects (replicas as one) whose every change is compared, and the Events of a
    scenario as one more. `steps` counts commands and requests whose output is compared.
    """

    name: str
    histories: int = 0
    steps: int = 0
    different: dict[str, str] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        return self.histories + self.steps


def known(section: str) -> dict[tuple[str, str], str]:
    """What differs of `timelines` or `stateful`, with the reason: (scenario, role) -> reason."""
    found = tomllib.loads((DATA / "known.toml").read_text())[section]
    return {(name, role): why for name, roles in found.items() for role, why in roles.items()}


def requests() -> Scenario:
    """The recorded requests of kubectl and helm, of all their conversations together."""
    exchanges = sum(len(one["exchanges"]) for one in _read(DATA / "conversations.json").values())
    different = _read(DATA / "conversations-different.json")
    return Scenario("requests", 0, exchanges, {key: entry["why"] for key, entry in different.items()})


def refusals() -> Scenario:
    """The recorded bad requests."""
    asked = sum(len(case["http"]) for case in _read(DATA / "errors.json"))
    return Scenario("refusals", 0, asked, _read(DATA / "errors-different.json"))


def scenarios() -> list[Scenario]:
    """All that are played, by name."""
    found: dict[str, Scenario] = {}

    def at(name: str) -> Scenario:
        return found.setdefault(name, Scenario(name))

    for section in ("timelines", "stateful"):
        for path in (DATA / section).glob("*.json"):
            at(path.stem).histories += len(_read(path)["objects"]) + 1
        for (name, role), why in known(section).items():
            at(name).different[role] = why
    for path in (DATA / "jobs").glob("*.json"):
        recording = _read(path)
        objects = [*recording.get("jobs", ()), *recording.get("pods", ())]
        at(path.stem).histories += len(objects or ["cronjob", "job"]) + 1
    for path in (DATA / "admission").glob("*.json"):
        at(path.stem).steps += len(_read(path)["steps"])
    for kind in ("commands", "sessions"):
        _add_steps(kind, at)
    for stem in ("rbac-denied", "server-side-apply", "custom-resources", "autoscaling"):
        recording = _read(DATA / f"{stem}.json")
        scenario = at(_NAMES.get(stem, stem))
        if stem == "autoscaling":
            scenario.histories += len({change["name"] for change in recording["autoscalers"]}) + 1
        else:
            scenario.steps += len(recording["steps"] if isinstance(recording, dict) else recording)
    return [found[name] for name in sorted(found)]


def _add_steps(kind: str, at: Callable[[str], Scenario]) -> None:
    for name, recording in _read(DATA / f"{kind}.json").items():
        steps = recording["steps"] if isinstance(recording, dict) else recording
        at(name).steps += sum("sleep" not in step for step in steps)
    for name, reasons in _read(DATA / f"{kind}-different.json").items():
        at(name).different |= {f"step {number}": why for number, why in reasons.items()}


def _read(path: Path) -> Any:
    return json.loads(path.read_text())
