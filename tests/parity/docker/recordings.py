"""The recorded conversations of clients with a real engine, and the differences that we know of."""

from __future__ import annotations

import json
import lzma
import tomllib
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data" / "docker"
Step = dict[str, Any]
Conversation = dict[str, Any]


def conversations() -> dict[str, Conversation]:
    """Return every conversation by its name, as `sdk-containers/exec`."""
    with lzma.open(DATA / "conversations.json.xz") as file:
        loaded: dict[str, Conversation] = json.load(file)
    return loaded


Reasons = dict[str, dict[str, str]]
"""For each conversation reasons, by the steps that they explain."""


def differing() -> tuple[Reasons, Reasons]:
    """Return the differences that stay, and the steps whose results are a matter of the moment."""
    loaded: dict[str, Reasons] = tomllib.loads((DATA / "known.toml").read_text())
    return loaded["known"], loaded["chance"]


def share() -> tuple[int, int]:
    """How many scenarios differ, of how many: conversations, Compose sessions and Dockerfiles."""
    known = tomllib.loads((DATA / "known.toml").read_text())
    told = [name for name in conversations() if not name.startswith("compose/")]
    recorded = len(told) + len(list((DATA / "compose").glob("*.json")))
    recorded += len(json.loads((DATA / "dockerfile.json").read_text()))
    return sum(len(known[part]) for part in ("known", "compose", "dockerfile")), recorded


def explained(reasons: dict[str, str]) -> set[int]:
    """Return the numbers of the steps in a conversation's table, whose keys are as `3`, `4-6` or `1, 7-8`."""
    numbers: set[int] = set()
    for key in reasons:
        for part in key.split(","):
            first, _, last = part.strip().partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
    return numbers
