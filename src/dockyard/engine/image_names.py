"""Image references in requests: how they are completed, matched, and complained about."""

from __future__ import annotations

import re

from dockyard.engine.errors import BadParameter
from dockyard.runtime.references import InvalidReference, familiar


def checked(reference: str) -> str:
    """Return the familiar form.

    Raises:
        BadParameter: it is no reference.
    """
    try:
        return familiar(reference)
    except InvalidReference as error:
        raise BadParameter(explain_reference(str(error), reference)) from None


def with_tag(reference: str) -> str:
    """Return the name as messages about a missing image have it."""
    if reference.startswith("sha256:"):
        return reference
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def explain_reference(message: str, reference: str) -> str:
    """Add the name to a complaint about capitals, as upstream does."""
    if not message.endswith("must be lowercase") and reference == reference.lower():
        return message
    first, slash, rest = reference.partition("/")
    name = reference if slash else f"library/{reference}"
    if slash and (first != first.lower() or "." in first or ":" in first or first == "localhost"):
        name = rest
    return f"invalid reference format: repository name ({name}) must be lowercase"


def pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of the `reference` filter: `*` within one part, any tag when it names none."""
    parts = (
        ".*" if part == "**" else "[^/]*" if part == "*" else "[^/]" if part == "?" else re.escape(part)
        for part in re.split(r"(\*\*|\*|\?)", text)
    )
    whole = "".join(parts)
    return re.compile(whole if ":" in text.rpartition("/")[2] else rf"{whole}[:@][^/]+")
