"""A thousand containers run and removed: what the engine then holds more, and how long one took."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.build import clocked, connect
from bench.engine_processes import Processes
from bench.place import home
from bench.rows import Row, main

CONTAINERS = 1000
WARM_UP = 50


def measure(rounds: int) -> list[Row]:
    """One platform; `rounds` is not used: the number of containers is the point."""
    with home() as environ:
        client = connect(environ)
        client.images.pull("busybox", tag="latest")
        processes = Processes.behind(client)

        def batch(size: int) -> None:
            for _ in range(size):
                client.containers.run("busybox", "true", remove=True, mem_limit="64m")

        batch(WARM_UP)
        descriptors, memory = processes.descriptors(), processes.memory()
        took = clocked(lambda: batch(CONTAINERS))
        more_descriptors = float(processes.descriptors() - descriptors)
        more_memory = processes.memory() - memory
        client.close()
    return [
        Row(f"descriptors more after {CONTAINERS} containers", "", [more_descriptors], 5.0),
        Row(f"memory more after {CONTAINERS} containers", "MB", [more_memory], 10.0, "PSS, all processes"),
        Row("run and remove one", "s", [took / CONTAINERS]),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=1)
