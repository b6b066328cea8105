"""A rollout replayed: a lane for each Pod, its time in the endpoints, and each failed request against it."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

from dockyard.exercises.lives import PodLife, blamed, lives
from dockyard.exercises.record import Record
from dockyard.exercises.traffic import Traffic
from dockyard.views.page import Page, details, html_table, line, text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette; each thing has a shape or a hatch of its own too.
_INSIDE, _LEAVING, _FAILED = "#56B4E9", "#E69F00", "#D55E00"


def show_rollout(traffic: Traffic, seen: Record, title: str = "") -> Page:
    """When each Pod that answered was in the endpoints, was told to stop and ended; what failed, and when."""
    if not traffic.requests:
        nothing = "No requests were sent, so there is nothing to draw."
        return Page(line(nothing), nothing)
    start, end = traffic.requests[0].t, traffic.requests[-1].end
    answered = traffic.by("pod")
    pods = [life for life in lives(seen) if life.joined is not None or life.name in answered]
    rows = [_row(life, traffic, start) for life in pods]
    words = describe(traffic, pods)
    image = _picture(traffic, pods, start, end)
    caption = title or "The rollout, Pod by Pod"
    html = (
        f'<figure><img alt="{escape(f"{caption}. {words}")}" src="data:image/png;base64,{image}" '
        f'style="max-width: 100%"><figcaption>{escape(caption)}. {escape(words)}</figcaption></figure>'
        + details("The same as a table", html_table(rows))
    )
    return Page(html, "\n".join([caption, words, text_table(rows)]))


def describe(traffic: Traffic, pods: list[PodLife]) -> str:
    """How many requests failed, and how long after which Pod was told to stop."""
    failed = traffic.failed
    if not failed:
        return f"All {len(traffic)} requests were answered."
    said = [f"{len(failed)} of {len(traffic)} requests failed"]
    others = 0
    after: dict[str, list[float]] = {}
    for request in failed:
        pod = blamed(request, pods)
        if pod is None or pod.told is None:
            others += 1
        else:
            after.setdefault(pod.name, []).append(request.end - pod.told)
    for name, delays in after.items():
        span = f"{min(delays):.2f} s" if len(delays) == 1 else f"{min(delays):.2f} to {max(delays):.2f} s"
        said.append(f"{len(delays)} of them {span} after {name} was told to stop")
    if others and after:
        said.append(f"{others} at other times")
    return said[0] + (": " + ", ".join(said[1:]) if said[1:] else "") + "."


def _row(life: PodLife, traffic: Traffic, start: float) -> dict[str, Any]:
    own = Traffic(request for request in traffic if request.pod == life.name)

    def at(moment: float | None) -> str:
        return "" if moment is None else "before" if moment < start else f"{moment - start:.2f} s"

    return {
        "Pod": life.name,
        "version": ", ".join(own.by("version")),
        "in the endpoints": at(life.joined),
        "told to stop": at(life.told),
        "out of the endpoints": at(life.left),
        "last answer": at(max((request.end for request in own), default=None)),
        "gone": at(life.gone),
        "exit code": ", ".join(map(str, life.exits.values())),
        "answers": len(own),
    }


def _picture(traffic: Traffic, pods: list[PodLife], start: float, end: float) -> str:
    """The lanes as a base64 PNG, the failed requests in a lane of their own at the bottom."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.4 + 0.36 * len(pods)), dpi=90, layout="constrained")
    axes: Axes = figure.subplots()
    for lane, life in enumerate(pods):
        _draw_life(axes, lane, life, traffic, start, end)
    failed, bottom = traffic.failed, len(pods)
    for request in failed:
        axes.axvline(request.end - start, color=_FAILED, linewidth=0.6, alpha=0.8, zorder=0)
    axes.scatter([r.end - start for r in failed], [bottom] * len(failed), marker="x", color=_FAILED, s=22)
    axes.set_yticks(range(bottom + 1), [*(life.name for life in pods), f"failed ({len(failed)})"], fontsize=7)
    axes.set_ylim(bottom + 0.6, -0.6)
    axes.set_xlim(-0.5, end - start + 0.5)
    axes.set_xlabel("seconds since the first request")
    axes.set_title(
        "wide: in the endpoints    hatched: told to stop    dots: answers    ×: failed",
        fontsize=8,
        loc="left",
    )
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)  # its methods have no annotations
    canvas.print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _draw_life(axes: Axes, lane: int, life: PodLife, traffic: Traffic, start: float, end: float) -> None:
    def seconds(moment: float | None, otherwise: float) -> float:
        return min(max(moment if moment is not None else otherwise, start), end) - start

    if life.joined is not None:
        begin = seconds(life.joined, start)
        axes.barh(lane, seconds(life.left, end) - begin, left=begin, height=0.62, color=_INSIDE)
    if life.told is not None:
        begin = seconds(life.told, end)
        width = seconds(life.gone, end) - begin
        axes.barh(lane, width, left=begin, height=0.3, color="none", edgecolor=_LEAVING, hatch="////")
    own = [request.t - start for request in traffic.ok if request.pod == life.name]
    axes.scatter(own, [lane] * len(own), marker=".", color="black", s=4, zorder=3)
