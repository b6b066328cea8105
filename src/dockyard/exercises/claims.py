"""The ledger of one trial: which of the exercise's claims were found true, false, or could not be judged."""

from __future__ import annotations

from collections.abc import Mapping

from dockyard.exercises.exercise import Mistake
from dockyard.exercises.finding import Finding


class Stop(Exception):
    """A required claim doesn't hold: going on would judge what follows from it, not the answer."""


class Claims:
    """Starts with every claim open."""

    def __init__(self, claims: Mapping[str, str]) -> None:
        self._claims = claims
        self._decided: dict[str, Finding] = {}

    def decide(
        self, id: str, holds: bool | None, observed: str = "", expected: str = "", hint: str = ""
    ) -> bool | None:
        """Note what was found. Raises Mistake for a claim that wasn't declared.

        A claim may be tried more than once: the last word counts, but what was false once stays false.
        """
        if id not in self._claims:
            raise Mistake(f"the check judges {id!r}, which is none of its claims: {', '.join(self._claims)}")
        if (before := self._decided.get(id)) is not None and before.holds is False:
            return False
        # Checks write `observed` for the claim's failing; beside one that holds it would mislead.
        said = ("", expected, "") if holds else (observed, expected, hint)
        self._decided[id] = Finding(id, self._claims[id], holds, *said)
        return holds

    def findings(self, because: str = "") -> tuple[Finding, ...]:
        """One finding a claim, in the declared order; those still open say `because` of what."""
        failed = next((f for f in self._decided.values() if f.holds is False), None)
        reason = because or (f"not judged, because it is not true that {failed.claim}" if failed else "")
        reason = reason or "the check ended without judging this"
        return tuple(
            self._decided.get(id, Finding(id, claim, None, observed=reason))
            for id, claim in self._claims.items()
        )
