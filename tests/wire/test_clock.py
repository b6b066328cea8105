"""The fake clock, and Go's time formats."""

from __future__ import annotations

import asyncio

from dockyard.wire.clock import FakeClock, SystemClock, http_date, rfc3339, rfc3339_micro, rfc3339_nano


def test_timers_fire_in_the_order_in_which_they_fall_due() -> None:
    clock = FakeClock(1000.0)
    fired: list[tuple[str, float]] = []
    clock.call_later(2, lambda: fired.append(("late", clock.now())))

    def early() -> None:
        fired.append(("early", clock.now()))
        clock.call_later(0.5, lambda: fired.append(("nested", clock.now())))

    clock.call_later(1, early)
    clock.call_later(1.2, lambda: fired.append(("never", clock.now()))).cancel()
    clock.advance(0.9)
    assert fired == []
    clock.advance(10)
    assert fired == [("early", 1001.0), ("nested", 1001.5), ("late", 1002.0)]
    assert clock.now() == 1010.9
    assert clock.next_due() is None


async def test_sleep_ends_when_the_clock_is_turned() -> None:
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(60))
    await asyncio.sleep(0)
    assert clock.next_due() == 60
    clock.advance(60)
    await asyncio.wait_for(sleeper, 5)


async def test_system_clock_calls_back_unless_cancelled() -> None:
    clock = SystemClock()
    called = asyncio.Event()
    clock.call_later(0, called.set).cancel()
    await asyncio.sleep(0)
    assert not called.is_set()
    clock.call_later(0, called.set)
    await asyncio.wait_for(called.wait(), 5)


def test_times_are_written_as_go_writes_them() -> None:
    assert rfc3339(1735689600.999) == "2025-01-01T00:00:00Z"
    assert rfc3339_micro(1735689600.25) == "2025-01-01T00:00:00.250000Z"
    assert rfc3339_nano(1735689600.25) == "2025-01-01T00:00:00.25Z"
    assert rfc3339_nano(1735689600) == "2025-01-01T00:00:00Z"
    assert http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
