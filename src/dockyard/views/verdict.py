"""How a verdict and its making look in a notebook."""

from __future__ import annotations

from html import escape
from pathlib import Path

from dockyard.exercises.finding import Finding
from dockyard.exercises.verdict import Verdict
from dockyard.home import project_root
from dockyard.views.page import VERDICT, Page, box, details, html_table, line


def show_verdict(verdict: Verdict) -> Page:
    """The headline, the first failing finding with its next step, then all of them as a table."""
    parts = [line(verdict.headline(), strong=True)]
    if (failing := verdict.first_failing) is not None:
        parts.append(explain(failing))
    if verdict.trouble:
        parts.append(line(verdict.trouble))
    if verdict.findings:
        rows = [
            {"result": finding.word, "claim": finding.claim, "observed": finding.observed}
            for finding in verdict.findings
        ]
        parts.append(details(f"All {len(rows)} claims", html_table(rows)))
    parts += [line(note) for note in verdict.notes]
    # Stored outputs travel to other machines: the path is shown as seen from the project.
    place = from_project(verdict.evidence)
    if place:
        parts.append(f"<p>Evidence: <code>{escape(place)}</code></p>")
    document = {**verdict.as_dict(), "evidence": place}
    text = verdict.text().replace(verdict.evidence, place) if verdict.evidence else verdict.text()
    return Page(box(*parts), text, {VERDICT: document})


def explain(finding: Finding) -> str:
    """What was seen against what was expected, and one next step."""
    rows = [("Observed", finding.observed), ("Expected", finding.expected), ("Next step", finding.hint)]
    items = "".join(
        f"<dt><strong>{name}</strong></dt><dd>{escape(value)}</dd>" for name, value in rows if value
    )
    return f"<dl>{items}</dl>"


def show_progress(exercise: str, steps: list[str], seconds: float) -> Page:
    """The last steps of a check that is under way."""
    head = f"Checking {exercise}: {seconds:.0f} s at most"
    recent = steps[-6:]
    items = "".join(f"<li>{escape(step)}</li>" for step in recent)
    return Page(box(line(head), f"<ul>{items}</ul>"), "\n  ".join([head, *recent]))


def from_project(path: str) -> str:
    """A path relative to the project where it lies in it, else its last three parts."""
    if not path:
        return ""
    place = Path(path)
    root = project_root()
    if place.is_relative_to(root):
        return str(place.relative_to(root))
    return str(Path(*place.parts[-3:]))
