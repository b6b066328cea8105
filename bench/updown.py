"""`dockyard up` to node Ready, and `dockyard down`, with what is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.place import home, launcher, timed
from bench.rows import Row, main
from dockyard.cli._processes import alive, descendants


def measure(rounds: int) -> list[Row]:
    """Fresh homes first, then the same home again and again."""
    fresh: list[float] = []
    again: list[float] = []
    down: list[float] = []
    left: list[float] = []
    for _ in range(rounds):
        with home() as environ:
            fresh.append(timed(environ, "up"))
    with home() as environ:
        timed(environ, "up")
        timed(environ, "down")
        for _ in range(rounds):
            again.append(timed(environ, "up"))
            status = subprocess.run(
                [*launcher(), "status", "--json"], env=environ, capture_output=True, check=True
            )
            family = descendants(json.loads(status.stdout)["pid"])
            down.append(timed(environ, "down"))
            left.append(len(alive(family)))
    return [
        Row("up to node Ready, fresh home", "s", fresh, 1.0, "with new keys, and every driver tried"),
        Row("up to node Ready, again", "s", again, 1.0),
        Row("down", "s", down, 1.0),
        Row("processes left after down", "", left, 0.0),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=5)
