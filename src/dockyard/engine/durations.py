"""Time spans in words, as `docker ps` shows them (go-units' HumanDuration)."""

from __future__ import annotations


def human_duration(seconds: float) -> str:
    """Return `3 seconds`, `About a minute`, `2 hours` and so on."""
    if seconds < 1:
        return "Less than a second"
    whole = int(seconds)
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = int(seconds / 60)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    for name, span, limit in (
        ("days", 24, 24 * 14),
        ("weeks", 24 * 7, 24 * 60),
        ("months", 24 * 30, 24 * 730),
    ):
        if hours < limit:
            return f"{hours // span} {name}"
    return f"{int(seconds / 3600 / 24 / 365)} years"
