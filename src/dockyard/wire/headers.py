"""Header fields and query parameters: ordered, repeatable, read by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

HeaderItems = Mapping[str, str] | Iterable[tuple[str, str]]


def header_pairs(headers: HeaderItems) -> list[tuple[str, str]]:
    """Return headers given as a mapping or as pairs, as pairs."""
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


class Headers:
    """A request's header fields; names are compared without case."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = [(name.lower(), value) for name, value in pairs]

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of `name`, or `default`."""
        name = name.lower()
        for key, value in self._pairs:
            if key == name:
                return value
        return default

    def getlist(self, name: str) -> list[str]:
        """Return every value of `name` in order of arrival."""
        name = name.lower()
        return [value for key, value in self._pairs if key == name]

    def tokens(self, name: str) -> list[str]:
        """Return the comma-separated members of `name` over all its lines, in lower case."""
        parts = (part.strip().lower() for value in self.getlist(name) for part in value.split(","))
        return [part for part in parts if part]

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield every field as (lower-case name, value)."""
        return iter(self._pairs)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(key == name.lower() for key, _ in self._pairs)


class Query:
    """A request's query parameters; a name may occur many times."""

    __slots__ = ("_pairs",)

    def __init__(self, text: str = "") -> None:
        self._pairs = parse_qsl(text, keep_blank_values=True) if text else []

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of `name`, or `default`."""
        for key, value in self._pairs:
            if key == name:
                return value
        return default

    def getlist(self, name: str) -> list[str]:
        """Return every value of `name` in order."""
        return [value for key, value in self._pairs if key == name]

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield every (name, value) in order."""
        return iter(self._pairs)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._pairs)
