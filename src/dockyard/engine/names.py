"""Names of containers: which are valid, and made-up ones for those who give none."""

from __future__ import annotations

import random
import re
from collections.abc import Container

from dockyard.engine.errors import BadParameter

_VALID = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_MOODS = (
    "amber brave brisk calm candid clever cosy crisp daring deft eager earnest fair fleet fond frank gentle "
    "glad golden hardy humble jolly keen kind lively loyal lucky mellow merry mild modest neat nimble noble "
    "patient plucky polite proud quick quiet rapid ready robust serene sharp silent sincere smart snug solid "
    "spry steady sturdy sunny swift tidy trusty upbeat vivid warm wise witty zesty"
)
_SAILORS = (
    "amundsen anson barents bering bligh bougainville cabot cartier chichester cook dampier davis drake "
    "ericson fitzroy flinders franklin frobisher gama hudson joshua kidd lapita magellan mawson melville "
    "nansen nobile peary polo ross scott shackleton slocum tasman tupaia vespucci wallis weddell zheng"
)


def validate_name(name: str, shown: str | None = None) -> str:
    """Return `name` without its leading slash.

    Raises:
        BadParameter: upstream would not take it either. One character is too short.
    """
    if not _VALID.fullmatch(name):
        raise BadParameter(
            f"Invalid container name ({name if shown is None else shown}), "
            "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
    return name.removeprefix("/")


def generate_name(taken: Container[str]) -> str:
    """Return a name that is not in `taken`."""
    name = ""
    for attempt in range(1000):
        name = f"{random.choice(_MOODS.split())}_{random.choice(_SAILORS.split())}"
        if attempt > 50:
            name += str(random.randrange(10 * attempt))
        if name not in taken:
            break
    return name
