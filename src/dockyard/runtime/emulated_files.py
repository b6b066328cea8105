"""What a container sees in /sys/fs/cgroup where its limits are emulated: some files of version 2."""

from __future__ import annotations

import os
from dataclasses import dataclass

LABEL = "dockyard.emulated"
_WHAT = """\
These files are no control group's. This machine gives dockyard none, so its own parent process looks at
what the container uses and signals: what you read here is what it has seen.
"""


@dataclass
class Counts:
    """What the watch has counted; times in seconds, memory in bytes."""

    memory: int = 0
    oom_kills: int = 0
    periods: int = 0
    throttled: int = 0
    throttled_time: float = 0.0


def write(folder: str, *, memory: int, quota: int, period: int, pids: int) -> None:
    """Makes the folder and what stays the same in it; 0 is no limit, times are microseconds."""
    os.makedirs(folder, exist_ok=True)
    files = {
        LABEL: _WHAT,
        "cgroup.controllers": "cpu memory pids\n",
        "memory.max": f"{memory or 'max'}\n",
        "cpu.max": f"{quota or 'max'} {period}\n",
        "pids.max": f"{pids or 'max'}\n",
    }
    for name, text in files.items():
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)
    refresh(folder, Counts())


def refresh(folder: str, counts: Counts) -> None:
    """Writes what has changed. Readers see whole files: each is one short write."""
    files = {
        "memory.current": f"{counts.memory}\n",
        "memory.events": f"max {counts.oom_kills}\noom {counts.oom_kills}\noom_kill {counts.oom_kills}\n",
        "cpu.stat": (
            f"nr_periods {counts.periods}\nnr_throttled {counts.throttled}\n"
            f"throttled_usec {int(counts.throttled_time * 1e6)}\n"
        ),
    }
    for name, text in files.items():
        try:
            with open(f"{folder}/{name}", "r+" if os.path.exists(f"{folder}/{name}") else "w") as file:
                file.write(text)
                file.truncate()
        except FileNotFoundError:
            return  # the container is being removed
