"""A finding: one sentence about the system, whether it holds, what was seen, and one next step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """`holds` is True, False, or None for "could not be judged"; then `observed` says because of what.

    `id` is the claim's short name in checks.py; `claim` the sentence; `hint` one next step for the reader.
    """

    id: str
    claim: str
    holds: bool | None
    observed: str = ""
    expected: str = ""
    hint: str = ""

    @property
    def word(self) -> str:
        """The result as a word, so that nothing depends on colour."""
        return {True: "true", False: "FALSE", None: "not judged"}[self.holds]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
