"""Memory of the idle platform: the proportional set size of all its processes together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.place import home, launcher, timed
from bench.rows import Row, main
from dockyard.cli._processes import descendants

SETTLE_SECONDS = 3.0  # what a start leaves to be collected


def pss(pid: int) -> float:
    """MB, shared pages counted in proportion (proc(5), smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(rounds: int) -> list[Row]:
    """Each sample is a platform of its own, idle for a few seconds."""
    totals: list[float] = []
    daemons: list[float] = []
    for _ in range(rounds):
        with home() as environ:
            timed(environ, "up")
            time.sleep(SETTLE_SECONDS)
            status = subprocess.run(
                [*launcher(), "status", "--json"], env=environ, capture_output=True, check=True
            )
            pid = json.loads(status.stdout)["pid"]
            daemons.append(pss(pid))
            totals.append(daemons[-1] + sum(pss(process.pid) for process in descendants(pid)))
    return [
        Row("memory of the idle platform, all processes", "MB", totals, 120.0, "PSS"),
        Row("of it the daemon", "MB", daemons, None, "PSS"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=3)
