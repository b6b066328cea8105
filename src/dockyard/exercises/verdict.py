"""A verdict: the findings of one trial, the first failing one first, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from dockyard.exercises.finding import Finding

OUT_OF_REACH = "cannot be judged here"  # how a finding begins for which this backend lacks something
PASSED, FAILED, NOT_JUDGED = 0, 1, 2  # exit statuses of the judge and of `dockyard check`


@dataclass(frozen=True)
class Verdict:
    """`trouble` is set when the judge itself could not do its work: whose fault that is, and what to do."""

    exercise: str
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    backend: str = ""
    evidence: str = ""
    trouble: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool | None:
        """True if every claim holds, False if one does not, None if that could not be found out."""
        if any(finding.holds is False for finding in self.findings):
            return False
        if self.trouble or not self.findings or any(finding.holds is None for finding in self.findings):
            return None
        return True

    @property
    def out_of_reach(self) -> bool:
        """Whether nothing is wrong, and all that was not judged is what this backend cannot show."""
        open_ = [finding for finding in self.findings if finding.holds is None]
        return (
            self.passed is None
            and not self.trouble
            and bool(open_)
            and all(finding.observed.startswith(OUT_OF_REACH) for finding in open_)
        )

    @property
    def first_failing(self) -> Finding | None:
        return next((finding for finding in self.findings if finding.holds is False), None)

    @property
    def exit_status(self) -> int:
        return {True: PASSED, False: FAILED, None: NOT_JUDGED}[self.passed]

    def ordered(self) -> Verdict:
        """The same with what failed first, then what could not be judged, then what holds."""
        rank = {False: 0, None: 1, True: 2}
        return replace(self, findings=tuple(sorted(self.findings, key=lambda f: rank[f.holds])))

    def as_dict(self) -> dict[str, Any]:
        return {
            "exercise": self.exercise,
            "passed": self.passed,
            "findings": [finding.as_dict() for finding in self.findings],
            "seconds": round(self.seconds, 1),
            "backend": self.backend,
            "evidence": self.evidence,
            "trouble": self.trouble,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Verdict:
        findings: Iterable[dict[str, Any]] = document["findings"]
        return cls(
            exercise=document["exercise"],
            findings=tuple(Finding(**finding) for finding in findings),
            seconds=document["seconds"],
            backend=document["backend"],
            evidence=document["evidence"],
            trouble=document["trouble"],
            notes=tuple(document["notes"]),
        )

    def headline(self) -> str:
        """The result in one line."""
        name = f"{self.exercise} · {self.seconds:.0f} s"
        if self.passed is True:
            return f"PASSED  {name}: all {len(self.findings)} claims are true of your system."
        if (failing := self.first_failing) is not None:
            return f"FAILED  {name}: it is not true that {failing.claim}."
        return f"NOT JUDGED  {name}: {self.trouble or 'this backend cannot judge every claim'}"

    def text(self) -> str:
        """The whole verdict for a terminal or a screen reader."""
        lines = [self.headline()]
        for finding in self.findings:
            lines.append(f"  [{finding.word}] {finding.claim}")
            if finding.observed:
                lines.append(f"      observed: {finding.observed}")
            if finding.expected and not finding.holds:
                lines.append(f"      expected: {finding.expected}")
            if finding.hint and finding.holds is False:
                lines.append(f"      next step: {finding.hint}")
        if self.trouble and self.findings:
            lines.append(f"  trouble: {self.trouble}")
        lines += [f"  note: {note}" for note in self.notes]
        if self.evidence:
            lines.append(f"  evidence: {self.evidence}")
        return "\n".join(lines)
