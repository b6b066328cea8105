"""The `filters` parameter, in its map form and its older list form."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping

from dockyard.engine.errors import BadParameter
from dockyard.engine.moments import moment
from dockyard.wire.http import Request


class Filters:
    """Values by name; a thing passes a name when it passes one of its values, labels when it has all."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str) -> list[str]:
        """Return the values of `name`; none means that it does not filter."""
        return self._values.get(name, [])

    def boolean(self, name: str, default: bool) -> bool:
        """Return a filter that is a single yes or no.

        Raises:
            BadParameter: it is neither, or both.
        """
        values = {value.lower() for value in self.get(name)}
        if not values:
            return default
        if values <= {"1", "true", "t"}:
            return True
        if values <= {"0", "false", "f"}:
            return False
        raise BadParameter(f"invalid filter '{name}={self.get(name)[0]}'")

    def until(self, now: float) -> float:
        """Return the moment of `until`, in Unix seconds; infinity when it does not filter.

        Raises:
            BadParameter: it is none, or there are more.
        """
        values = self.get("until")
        if len(values) > 1:
            raise BadParameter("more than one until filter specified")
        return moment(values[0], now) if values else math.inf

    def exact(self, name: str, *candidates: str) -> bool:
        """Tell whether one of `candidates` is wanted."""
        wanted = self.get(name)
        return not wanted or any(candidate in wanted for candidate in candidates)

    def fuzzy(self, name: str, *candidates: str) -> bool:
        """As `exact`, with each value taken as a regular expression that may match anywhere."""
        wanted = self.get(name)
        return not wanted or any(_matches(value, candidate) for value in wanted for candidate in candidates)

    def labels(self, labels: Mapping[str, str] | None, name: str = "label") -> bool:
        """Tell whether `labels` has every `key` or `key=value` that is asked for."""
        return all(_has_label(labels or {}, wanted) for wanted in self.get(name)) and (
            name != "label" or not any(_has_label(labels or {}, bad) for bad in self.get("label!"))
        )


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _matches(pattern: str, text: str) -> bool:
    if pattern == text:
        return True
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def parse_filters(request: Request, known: Collection[str] | None = None) -> Filters:
    """Read `filters` from a request.

    Raises:
        BadParameter: no JSON of either form, or a name that is not in `known` (when that is given).
    """
    text = request.query.get("filters")
    if not text:
        return Filters({})
    try:
        decoded = json.loads(text)
    except ValueError:
        raise BadParameter("invalid filter") from None
    if not isinstance(decoded, dict):
        raise BadParameter("invalid filter")
    values: dict[str, list[str]] = {}
    for name, content in decoded.items():
        if isinstance(content, dict) and all(isinstance(wanted, bool) for wanted in content.values()):
            values[name] = [value for value, wanted in content.items() if wanted]
        elif isinstance(content, list) and all(isinstance(value, str) for value in content):
            values[name] = content
        else:
            raise BadParameter("invalid filter")
    for name in values:
        if known is not None and name not in known:
            raise BadParameter(f"invalid filter '{name}'")
    return Filters(values)
