"""Durations as Go writes them: `1m30s`, `500ms`."""

import re

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([a-zµμ]*)", re.IGNORECASE)


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises ValueError in Go's words."""
    body = text[1:] if text[:1] in "+-" and text else text
    if body == "0":
        return 0
    total, position = 0.0, 0
    while position < len(body):
        match = _PART.match(body, position)
        if match is None:
            break
        if not match[2]:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if match[2] not in _UNITS:
            raise ValueError(f'time: unknown unit "{match[2]}" in duration "{text}"')
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not body or position < len(body):
        raise ValueError(f'time: invalid duration "{text}"')
    return -int(total) if text.startswith("-") else int(total)


def format_duration(nanoseconds: int) -> str:
    """`5s`, `1m30s`, `1.5s`, `0s`, as Go prints a duration."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanoseconds >= size:
                return f"{nanoseconds / size:.9f}".rstrip("0").rstrip(".") + unit
    seconds, text = nanoseconds / 10**9, ""
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    if hours:
        text += f"{int(hours)}h"
    if hours or minutes:
        text += f"{int(minutes)}m"
    return text + f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
