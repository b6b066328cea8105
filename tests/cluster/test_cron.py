"""Cron schedules: when they are due next."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dockyard.cluster.cron import parse

PARIS = ZoneInfo("Europe/Paris")


def following(schedule: str, after: str, zone: ZoneInfo | None = None, count: int = 2) -> list[str]:
    place = zone or UTC
    moment: float | None = datetime.fromisoformat(after).replace(tzinfo=place).timestamp()
    found = []
    for _ in range(count):
        assert moment is not None
        moment = parse(schedule).next(moment, place)
        if moment is None:
            break
        found.append(datetime.fromtimestamp(moment, place).strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("schedule", "after", "times"),
    [
        ("*/1 * * * *", "2026-11-22T10:00:34", ["11-22 10:01", "11-22 10:02"]),
        ("5/20 * * * *", "2026-01-01T00:00", ["01-01 00:05", "01-01 00:25"]),
        ("30 3 * * 1-5", "2026-11-20T10:00", ["11-23 03:30", "11-24 03:30"]),
        ("0 0 13 * fri", "2026-01-03T00:00", ["01-09 00:00", "01-13 00:00"]),  # one of the two is enough
        ("0 12 1 jan,jul ?", "2026-01-02T00:00", ["07-01 12:00", "01-01 12:00"]),
        ("@hourly", "2026-01-01T00:10", ["01-01 01:00", "01-01 02:00"]),
        ("@every 1h30m", "2026-01-01T00:00", ["01-01 01:30", "01-01 03:00"]),
        ("0 0 31 2 *", "2026-01-01T00:00", []),
    ],
)
def test_the_next_times_of_a_schedule(schedule: str, after: str, times: list[str]) -> None:
    assert following(schedule, after) == times


def test_a_time_that_the_clocks_leave_out_is_left_out() -> None:
    assert following("30 2 * * *", "2026-03-27T10:00", PARIS) == ["03-28 02:30", "03-30 02:30"]


def test_a_time_that_the_clocks_repeat_comes_twice() -> None:
    assert following("30 2 * * *", "2026-10-24T10:00", PARIS) == ["10-25 02:30", "10-25 02:30"]


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("every day", "expected exactly 5 fields, found 2: [every day]"),
        ("61 * * * *", "end of range (61) above maximum (59): 61"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_refused(schedule: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        parse(schedule)
