"""Numbers side by side: a bar a row as a picture, and the same rows as a table and in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from dockyard.errors import UserError
from dockyard.views.page import Page, details, html_table, line, text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's blue and vermilion; marked bars are hatched too, so that colour says nothing alone.
_PLAIN, _MARKED = "#0072B2", "#D55E00"
_LONGEST_LABEL = 44


def show_bars(
    rows: Sequence[Mapping[str, Any]],
    *,
    label: str,
    value: str,
    unit: str = "",
    title: str = "",
    mark: str = "",
) -> Page:
    """One bar a row, in the rows' order; `label` and `value` name columns.

    `mark` names a column too: where it is true, the bar stands out. A row whose value is None has no bar and
    says so. Raises UserError for a column that no row has.
    """
    for column in filter(None, (label, value, mark)):
        if rows and not any(column in row for row in rows):
            known = ", ".join(dict.fromkeys(key for row in rows for key in row))
            raise UserError(f"no row has a column {column!r}", f"There are {known}.")
    if not rows:
        nothing = f"{title}: nothing to draw" if title else "nothing to draw"
        return Page(line(nothing), nothing)
    words = describe(rows, label, value, unit)
    caption = title or f"{value} by {label}"
    image = picture(rows, label, value, unit, mark)
    html = (
        f'<figure><img alt="{escape(f"{caption}. {words}")}" src="data:image/png;base64,{image}" '
        f'style="max-width: 100%"><figcaption>{escape(caption)}</figcaption></figure>'
        + details("The same as a table", html_table(rows))
    )
    return Page(html, text_table(rows, caption))


def describe(rows: Sequence[Mapping[str, Any]], label: str, value: str, unit: str) -> str:
    """The picture in words: its alternative text."""
    return "; ".join(f"{row.get(label, '')}: {amount(row.get(value), unit)}" for row in rows) + "."


def amount(value: Any, unit: str) -> str:
    """A number as it stands beside its bar."""
    if value is None:
        return "none"
    number = f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 100 else f"{value:.2g}"
    if isinstance(value, float) and 10 <= abs(value) < 100:
        number = f"{value:.1f}"
    return f"{number} {unit}".strip()


def shortened(text: str) -> str:
    """A label that leaves room for the bars."""
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def picture(rows: Sequence[Mapping[str, Any]], label: str, value: str, unit: str, mark: str) -> str:
    """The plot as a base64 PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 + 0.32 * len(rows)), dpi=90, layout="constrained")
    axes: Axes = figure.subplots()
    marked = [bool(mark and row.get(mark)) for row in rows]
    bars = axes.barh(
        range(len(rows)),
        [row.get(value) or 0 for row in rows],
        color=[_MARKED if one else _PLAIN for one in marked],
        hatch=["//" if one else "" for one in marked],
        edgecolor="white",
        height=0.7,
    )
    axes.bar_label(bars, [amount(row.get(value), unit) for row in rows], padding=3, fontsize=8)
    axes.set_yticks(range(len(rows)), [shortened(str(row.get(label, ""))) for row in rows], fontsize=8)
    axes.invert_yaxis()  # the first row on top, as in the table
    axes.set_xticks([])
    axes.margins(x=0.15)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)  # its methods have no annotations
    canvas.print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()
