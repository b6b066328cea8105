"""Cron schedules, in the dialect of upstream's parser: five fields, or a name such as `@hourly`.

Source: github.com/robfig/cron, doc.go: minute, hour, day of month, month, day of week; `*` and `?`, lists,
ranges, steps and English names. A day has to match one of the two day fields when both are restricted,
else both.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("dom", 1, 31), ("month", 1, 12), ("dow", 0, 6))
_NAMED = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "dow": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_YEARS = 5  # upstream gives up after these, for such as the 31st of February


class Schedule(NamedTuple):
    """The values that each field allows; `every` is the period in seconds of an `@every`, or 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    every: float = 0.0

    def next(self, after: float, zone: tzinfo = UTC) -> float | None:
        """The first time (Unix seconds) later than `after`; None when there is none within five years."""
        if self.every:
            return float(int(after)) + self.every
        moment = datetime.fromtimestamp(int(after) // 60 * 60 + 60, UTC)
        end = moment + timedelta(days=366 * _YEARS)
        while moment < end:
            local = moment.astimezone(zone)
            if local.month not in self.months or not self._allows_day(local):
                midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, tzinfo=None)
                # At least a minute further, also where a change of clocks makes midnight ambiguous.
                moment = max(midnight.replace(tzinfo=zone).astimezone(UTC), moment + timedelta(minutes=1))
            elif local.hour not in self.hours:
                moment += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                moment += timedelta(minutes=1)
            else:
                return moment.timestamp()
        return None

    def _allows_day(self, local: datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.any_day else (day or weekday)


def parse(text: str) -> Schedule:
    """Read a schedule. Raises ValueError with upstream's words."""
    if "TZ" in text:
        raise ValueError("cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    if text.startswith("@every "):
        return _every(text)
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    parts = text.split()
    if len(parts) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    minutes, hours, days, months, weekdays = (
        frozenset(value for item in part.split(",") for value in _range(item, *field))
        for part, field in zip(parts, _FIELDS, strict=True)
    )
    any_day = any(
        item.partition("/")[0] in ("*", "?") for part in (parts[2], parts[4]) for item in part.split(",")
    )
    return Schedule(minutes, hours, days, months, weekdays, any_day)


def _every(text: str) -> Schedule:
    period = text.removeprefix("@every ")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)", period)
    if not parts or "".join(number + unit for number, unit in parts) != period:
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{period}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    nothing: frozenset[int] = frozenset()
    return Schedule(
        nothing, nothing, nothing, nothing, nothing, any_day=True, every=max(1.0, float(int(seconds)))
    )


def _range(item: str, name: str, low: int, high: int) -> range:
    """The values of one item of a list, such as `*`, `1-5`, `mon` or `0/15`."""
    span, slash, step = item.partition("/")
    if span in ("*", "?"):
        start, end = low, high
    else:
        first, dash, last = span.partition("-")
        start = _number(first, name)
        end = _number(last, name) if dash else (high if slash else start)
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {item}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {item}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {item}")
    width = _number(step, "") if slash else 1
    if width == 0:
        raise ValueError(f"step of range should be a positive number: {item}")
    return range(start, end + 1, width)


def _number(text: str, name: str) -> int:
    named = _NAMED.get(name, [])
    if text.lower() in named:
        return named.index(text.lower()) + (1 if name == "month" else 0)
    if not text.isdigit():
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)
