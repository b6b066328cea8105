"""Requests over time with marks for what happened meanwhile: a picture, and the same in words."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from dockyard.exercises.faults import Cut
from dockyard.exercises.happenings import Happenings
from dockyard.exercises.record import Mark, Record
from dockyard.exercises.traffic import Request, Traffic
from dockyard.views.page import Page, details, html_table, text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One marker a kind of result: shape carries the meaning, colour (Okabe and Ito's palette) helps. Good answers
# are round, and look the same in every picture.
_GOOD = (("o", "#0072B2"), ("s", "#009E73"))
_BAD = (("x", "#D55E00"), ("^", "#E69F00"), ("v", "#CC79A7"), ("+", "#000000"))
_MOST_MARKS = 12


def show_timeline(
    traffic: Traffic, seen: Record | Happenings | None = None, cuts: Sequence[Cut] = (), title: str = ""
) -> Page:
    """Every request by when it was due and how long it took, by result; restarts and readiness as lines."""
    if not traffic.requests:
        nothing = "No requests were sent, so there is nothing to draw."
        return Page(f"<p>{nothing}</p>", nothing)
    start = traffic.requests[0].t
    marks = marks_of(traffic, seen, cuts)
    words = describe(traffic, marks, start)
    rows = per_second(traffic, start)
    image = picture(traffic, marks, cuts, start, title)
    caption = escape(title or "Requests over time")
    html = (
        f'<figure><img alt="{escape(words)}" src="data:image/png;base64,{image}" style="max-width: 100%">'
        f"<figcaption>{caption}. {escape(words)}</figcaption></figure>"
        + details("The same as a table", html_table(rows))
    )
    return Page(html, "\n".join([title or "Requests over time", words, text_table(rows)]))


def marks_of(traffic: Traffic, seen: Record | Happenings | None, cuts: Sequence[Cut]) -> list[Mark]:
    first, last = traffic.requests[0].t, traffic.requests[-1].end
    marks = list(seen.marks()) if seen is not None else []
    for cut in cuts:
        marks += [Mark(cut.start, f"{cut.selector} cut off"), Mark(cut.end, f"{cut.selector} back")]
    marks = [mark for mark in marks if first - 1 <= mark.t <= last + 1 and not mark.text.startswith("load-")]
    return sorted(marks, key=lambda mark: mark.t)


def describe(traffic: Traffic, marks: Sequence[Mark], start: float) -> str:
    """What the picture shows, in two sentences: this is its alternative text."""
    seconds = traffic.requests[-1].end - start
    labels = ", ".join(f"{count} {label}" for label, count in traffic.by("label").items())
    said = f"{len(traffic)} requests in {seconds:.0f} s: {labels}."
    failed = traffic.failed
    if failed:
        first, last = failed.requests[0].t - start, failed.requests[-1].t - start
        said += f" The first failed at {first:.1f} s, the last at {last:.1f} s."
    if marks:
        said += " Marks: " + "; ".join(f"{mark.t - start:.1f} s {mark.text}" for mark in marks[:_MOST_MARKS])
        said += f"; and {len(marks) - _MOST_MARKS} more." if len(marks) > _MOST_MARKS else "."
    return said


def per_second(traffic: Traffic, start: float) -> list[dict[str, Any]]:
    """Rows of at most thirty equal spans: when, how many of each result, the slowest answer."""
    whole = max(1.0, traffic.requests[-1].t - start)
    span = max(1, round(whole / 30 + 0.5))
    groups: dict[int, list[Request]] = {}
    for request in traffic:
        groups.setdefault(int((request.t - start) // span), []).append(request)
    labels = list(traffic.by("label"))
    rows = []
    for number, requests in sorted(groups.items()):
        counts = Counter(request.label for request in requests)
        row: dict[str, Any] = {"second": f"{number * span}-{(number + 1) * span}"}
        row |= {label: counts[label] for label in labels}
        row["slowest, ms"] = round(max(request.latency_ms for request in requests))
        rows.append(row)
    return rows


def styles(traffic: Traffic) -> dict[str, tuple[str, str]]:
    """Marker and colour of each result; good ones first."""
    good, bad = sorted(traffic.ok.by("label")), sorted(traffic.failed.by("label"))
    return dict(zip(good, _GOOD * 5, strict=False)) | dict(zip(bad, _BAD * 5, strict=False))


def during(traffic: Traffic, cuts: Sequence[Cut]) -> list[Cut]:
    """The cuts that fell into the time of these requests, and not those of an earlier demonstration."""
    first, last = traffic.requests[0].t, traffic.requests[-1].end
    return [cut for cut in cuts if cut.end > first and cut.start < last]


def picture(traffic: Traffic, marks: Sequence[Mark], cuts: Sequence[Cut], start: float, title: str) -> str:
    """The plot as a base64 PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=90, layout="constrained")
    axes: Axes = figure.subplots()
    for label, (marker, colour) in styles(traffic).items():
        chosen = [request for request in traffic if request.label == label]
        axes.scatter(
            [request.t - start for request in chosen],
            [max(request.latency_ms, 0.1) for request in chosen],
            marker=marker,
            color=colour,
            s=14,
            label=f"{label} ({len(chosen)})",
        )
    for cut in during(traffic, cuts):
        axes.axvspan(cut.start - start, cut.end - start, alpha=0.12, hatch="//", color="grey")
    for number, mark in enumerate(marks[:_MOST_MARKS]):
        axes.axvline(mark.t - start, linewidth=0.8, linestyle=":", color="black")
        height = 0.97 - 0.08 * (number % 6)
        where = axes.get_xaxis_transform()
        axes.text(mark.t - start, height, mark.text, fontsize=6.5, transform=where, ha="left", va="top")
    axes.set_yscale("log")
    if marks:
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top * (top / bottom))  # the upper half is for the marks' words
    axes.set_xlabel("seconds since the first request")
    axes.set_ylabel("milliseconds to the answer")
    axes.set_title(title, fontsize=10, loc="left")
    axes.margins(x=0.02)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)  # its methods have no annotations
    canvas.print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()
