"""What a container uses: CPU, memory, processes, and how often its CPU limit made it wait."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.runtime import census

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Throttling:
    """Periods in which the container ran, those in which it had to wait, and for how long (nanoseconds)."""

    periods: int = 0
    throttled: int = 0
    nanoseconds: int = 0


@dataclass(frozen=True)
class Usage:
    """CPU times are nanoseconds since the start, memory is in bytes now, `pids` counts threads.

    `cache` is the part of memory that could be dropped at once. `oom_kills` counts processes that the
    kernel killed for the memory limit.
    """

    cpu: int
    user: int
    system: int
    memory: int
    cache: int
    pids: int
    throttling: Throttling
    oom_kills: int = 0


def read_v1(folders: Mapping[str, Path]) -> Usage:
    """From the files of version 1; raises FileNotFoundError when the groups are gone."""
    accounts, memory = folders.get("cpuacct"), folders.get("memory")
    stat = _table(folders["cpu"] / "cpu.stat") if "cpu" in folders else {}
    return Usage(
        cpu=_number(accounts / "cpuacct.usage") if accounts else 0,
        user=_number(accounts / "cpuacct.usage_user") if accounts else 0,
        system=_number(accounts / "cpuacct.usage_sys") if accounts else 0,
        memory=_number(memory / "memory.usage_in_bytes") if memory else 0,
        cache=_table(memory / "memory.stat").get("total_inactive_file", 0) if memory else 0,
        pids=_number(folders["pids"] / "pids.current") if "pids" in folders else 0,
        throttling=Throttling(
            *(stat.get(name, 0) for name in ("nr_periods", "nr_throttled", "throttled_time"))
        ),
        oom_kills=oom_kills(memory, 1) if memory else 0,
    )


def read_v2(folders: Mapping[str, Path]) -> Usage:
    """From the files of version 2; raises FileNotFoundError when the group is gone."""
    group = next(iter(folders.values()))
    times = _table(group / "cpu.stat")  # there without the cpu controller too
    memory = "memory" in folders
    return Usage(
        cpu=times.get("usage_usec", 0) * 1000,
        user=times.get("user_usec", 0) * 1000,
        system=times.get("system_usec", 0) * 1000,
        memory=_number(group / "memory.current") if memory else 0,
        cache=_table(group / "memory.stat").get("inactive_file", 0) if memory else 0,
        pids=_number(group / "pids.current") if "pids" in folders else 0,
        throttling=Throttling(
            times.get("nr_periods", 0), times.get("nr_throttled", 0), times.get("throttled_usec", 0) * 1000
        ),
        oom_kills=oom_kills(group, 2) if memory else 0,
    )


def read_processes(pids: Iterable[int], throttling: Throttling) -> Usage:
    """From /proc, where there are no groups: what has ended and wasn't waited for is not counted."""
    user = system = threads = 0
    alive = list(pids)
    for pid in alive:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # gone since it was listed
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
        threads += int(fields[17])
    return Usage(
        cpu=(user + system) * _TICK,
        user=user * _TICK,
        system=system * _TICK,
        memory=census.memory(alive),
        cache=0,
        pids=threads,
        throttling=throttling,
    )


def oom_kills(group: Path, version: int) -> int:
    """How many processes of a group the kernel killed for its memory limit; 0 when the group is gone."""
    try:
        counts = _table(group / ("memory.events" if version == 2 else "memory.oom_control"))
    except OSError:
        return 0
    return counts.get("oom_kill", 0)


def _number(file: Path) -> int:
    text = file.read_text().strip()
    return int(text) if text.isdigit() else 0


def _table(file: Path) -> dict[str, int]:
    pairs = (line.split() for line in file.read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
