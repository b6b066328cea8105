"""Moments as the `until` filter takes them: Unix seconds, a date, or how long ago."""

from __future__ import annotations

from datetime import UTC, datetime

from dockyard.engine.dockerfile.durations import parse_duration
from dockyard.engine.errors import BadParameter


def moment(text: str, now: float) -> float:
    """Return Unix seconds; a date without a time zone is in UTC.

    Raises:
        BadParameter: it is none of the three.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return now - parse_duration(text) / 1e9
    except ValueError:
        pass
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(f'failed to parse value as time or duration: "{text}"') from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
