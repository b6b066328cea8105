"""A page: one thing to show, as HTML with a plain-text twin that says the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

VERDICT = "application/vnd.dockyard.verdict+json"  # for programs that read executed notebooks
PREDICTION = "application/vnd.dockyard.prediction+json"


@dataclass(frozen=True)
class Page:
    """What Jupyter shows. `data` is for programs, by MIME type."""

    html: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text, **self.data}

    def __repr__(self) -> str:
        return self.text


def markdown(text: str) -> str:
    """CommonMark as HTML; raw HTML in it is shown, not run."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).render(text)).strip()


def box(*parts: str) -> str:
    """Parts of a page in a frame that prints and needs no colour."""
    inner = "".join(part for part in parts if part)
    return f'<div style="border-left: 4px solid currentColor; padding: 0.2em 0 0.2em 1em">{inner}</div>'


def line(text: str, *, strong: bool = False) -> str:
    inner = escape(text)
    return f"<p><strong>{inner}</strong></p>" if strong else f"<p>{inner}</p>"


def block(text: str) -> str:
    """Preformatted text, as a terminal shows it."""
    return f'<pre style="font-family: monospace">{escape(text)}</pre>'


def details(summary: str, html: str) -> str:
    """Something that opens on request; works by keyboard and without scripts."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every key of the rows, in the order in which they first appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def html_table(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """A table with header cells that screen readers announce."""
    names = columns(rows)
    head = "".join(f'<th scope="col" style="text-align: left">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="text-align: left">{escape(cell(row, name))}</td>' for name in names)
        + "</tr>"
        for row in rows
    )
    title = f'<caption style="text-align: left">{escape(caption)}</caption>' if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text_table(rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """The same in columns of text."""
    names = columns(rows)
    lines = [[name.upper() for name in names], *([cell(row, name) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    table = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join(([caption] if caption else []) + table)


def cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    if isinstance(value, float):
        return f"{value:.1f}"
    return "" if value is None else str(value)


def table(rows: Iterable[Mapping[str, Any]], caption: str = "") -> Page:
    """Rows of dicts as a page; an empty table says so."""
    kept = list(rows)
    if not kept:
        nothing = f"{caption}: nothing" if caption else "nothing"
        return Page(line(nothing), nothing)
    return Page(html_table(kept, caption), text_table(kept, caption))
