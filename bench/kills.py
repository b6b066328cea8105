"""`kill -9` of the daemon at random moments while clients write: what is lost, how soon all is well.

Two Python clients and kubectl write ConfigMaps, another client scales and changes a Deployment; a part of
the kills hit a daemon that is still starting. tests/daemon/kills.py has the rules, and `--kills 200`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.daemon.kills import Killing

from bench.rows import Row, main
from dockyard.home import Home

SEED = 4


def measure(rounds: int) -> list[Row]:
    """One home, `rounds` kills."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="dockyard-bench-", ignore_cleanup_errors=True) as directory:
        killing = Killing(Home(Path(directory) / "home"), SEED)
        try:
            outcome = killing.run(rounds)
        finally:
            killing.down()
    kills = f"{outcome.kills} kills, {outcome.at_start} of them at the start"
    writes = f"of {outcome.writes} acknowledged; {outcome.unknown} had no answer"
    return [
        Row("writes lost by kill -9", "", [float(len(outcome.lost))], 0.0, f"{writes}; {kills}"),
        Row("processes left by kill -9", "", [float(outcome.left)], 0.0),
        Row("up after kill -9", "s", outcome.restarts, None, "node Ready"),
        Row("and the Deployment as it should be", "s", outcome.converged, None, "beyond the start"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=40)
