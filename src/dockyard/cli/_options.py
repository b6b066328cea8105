"""Options that every command shares, and the two ways in which a command answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

Decorated = Callable[..., Any]


def json_option(function: Decorated) -> Decorated:
    """Add `--json`: the answer as one JSON document on standard output, for programs."""
    option: Callable[[Decorated], Decorated] = click.option(
        "--json", "as_json", is_flag=True, help="Answer with one JSON document."
    )
    return option(function)


def answer(document: Any, text: str, *, as_json: bool) -> None:
    """Say `document` to a program, or `text` to a person."""
    click.echo(json.dumps(document, indent=2) if as_json else text)
