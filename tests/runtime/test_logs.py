"""A container's log: whole lines, kept, bounded, read in part and followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dockyard.runtime.logs import Line, LogFile


def test_lines_are_whole_however_they_arrive(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.append(1, b"one\ntw", 1.0)
    log.append(2, b"error\n", 2.0)
    log.append(1, b"o\nthree", 3.0)
    log.append(1, b"", 4.0)
    assert log.read() == [
        Line(1.0, 1, b"one\n"),
        Line(2.0, 2, b"error\n"),
        Line(3.0, 1, b"two\n"),
        Line(4.0, 1, b"three"),
    ]


def test_tail_since_and_until_choose_lines(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    for second in range(10):
        log.append(1, f"{second}\n".encode(), float(second))
    assert [line.data for line in log.read(tail=2)] == [b"8\n", b"9\n"]
    assert [line.data for line in log.read(since=3, until=4)] == [b"3\n", b"4\n"]
    assert log.read(tail=0) == []
    assert len(log.read(tail=100)) == 10


def test_log_outlives_its_writer_and_a_cut_off_line(tmp_path: Path) -> None:
    LogFile(tmp_path / "log").append(1, b"kept\xff\n", 1.0)
    with open(tmp_path / "log", "ab") as file:
        file.write(b'[2.0, 1, "cut')
    assert LogFile(tmp_path / "log").read() == [Line(1.0, 1, b"kept\xff\n")]


def test_old_lines_make_room_for_new_ones(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", most_bytes=2000)
    for number in range(1000):
        log.append(1, f"line {number}\n".encode(), float(number))
    lines = log.read()
    assert lines[-1].data == b"line 999\n"
    assert 20 < len(lines) < 200
    assert [line.time for line in lines] == [float(number) for number in range(1000 - len(lines), 1000)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000


async def test_follower_gets_the_past_and_the_future_once(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.append(1, b"past\n", 1.0)

    async def follow() -> list[bytes]:
        return [line.data async for line in log.follow()]

    follower = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    log.append(1, b"future\n", 2.0)
    log.append(1, b"unfinished", 3.0)
    log.append(1, b"", 3.0)
    log.end()
    assert await asyncio.wait_for(follower, 10) == [b"past\n", b"future\n", b"unfinished"]


async def test_following_a_container_that_has_ended_ends(tmp_path: Path) -> None:
    LogFile(tmp_path / "log").append(1, b"past\n", 1.0)
    again = LogFile(tmp_path / "log")
    assert [line.data async for line in again.follow()] == [b"past\n"]


async def test_follower_that_does_not_read_costs_nothing_and_goes_on_where_lines_are_left(
    tmp_path: Path,
) -> None:
    log = LogFile(tmp_path / "log", most_bytes=2000, files=3)
    log.append(1, b"first\n", 0.0)
    lines = log.follow()
    assert (await anext(lines)).data == b"first\n"
    for number in range(1000):
        log.append(1, f"line {number}\n".encode(), float(number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6000
    log.end()
    left = [line.time async for line in lines]
    # What it had open is read to its end; then come the files that are still there.
    assert left == sorted(left)
    assert left[-len(kept := log.read()) :] == [line.time for line in kept]


async def test_follower_of_the_last_lines_sees_no_line_twice(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.append(1, b"one\ntwo\n", 1.0)
    lines = log.follow(tail=1)
    assert (await anext(lines)).data == b"two\n"
    log.append(1, b"three\n", 2.0)
    log.end()
    assert [line.data async for line in lines] == [b"three\n"]


def test_single_file_begins_anew_when_it_is_full(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", most_bytes=1000, files=1)
    for number in range(100):
        log.append(1, f"line{number}\n".encode(), float(number))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    # json-file's 76 or 77 bytes for each of these lines.
    assert 1 <= len(log.read()) <= 14


async def test_follower_reads_on_after_the_log_was_deleted(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", most_bytes=1000)
    log.append(1, b"first\n", 0.0)
    lines = log.follow()
    assert (await anext(lines)).data == b"first\n"
    for number in range(20):
        log.append(1, f"line {number}\n".encode(), 1.0)
    log.end()
    log.remove()
    assert [line.data async for line in lines] == [f"line {number}\n".encode() for number in range(20)]
