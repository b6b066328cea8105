"""Writes docs/timings.md: seconds per cell of lessons 01 to 03, embedded and on a Docker Engine.

python tools/timings.py            runs lessons 01 to 03 on the embedded backend, and on the engine that
                                   $DOCKYARD_REAL_DOCKER_HOST names; with the reference answers
python tools/timings.py 01         those lessons only; the other lessons' tables stay
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "timings.md"
HEAD = """# Seconds per cell

Made by `python tools/timings.py` on a machine with 2 cores; don't edit. Every code cell of a lesson, run from
top to bottom on the reference answers by `dockyard run`, on the embedded backend and on a Docker Engine.
One run each; what was built before may come from the cache. Figures of one machine, for orientation.
"""
LESSONS = ("01", "02", "03")
Runs = dict[str, dict[str, Any]]  # backend -> what `dockyard run --json` says of one lesson


def main() -> int:
    """Run, and write the page; 1 when a lesson failed somewhere."""
    lessons = tuple(sys.argv[1:]) or LESSONS
    sections = kept_sections()
    good = True
    for lesson in lessons:
        runs: Runs = {"embedded": run(lesson, "embedded", "")}
        host = os.environ.get("DOCKYARD_REAL_DOCKER_HOST", "")
        if host:
            runs[engine_name(host)] = run(lesson, "docker", host)
        good = good and all(found["passed"] for found in runs.values())
        sections[lesson] = section(lesson, runs)
    PAGE.write_text("\n".join([HEAD, *(sections[lesson] for lesson in sorted(sections))]))
    return 0 if good else 1


def run(lesson: str, backend: str, host: str) -> dict[str, Any]:
    """One lesson on one backend, in a home of its own; progress goes to standard error."""
    # Not under a long path: the sockets lie in the home.
    with tempfile.TemporaryDirectory(prefix="dockyard-timings-") as home:
        command = [sys.executable, "-P", "-m", "dockyard"]
        environment = os.environ | {"DOCKYARD_HOME": home}
        options = ["--backend", backend, *(["--docker-host", host] if host else [])]
        subprocess.run([*command, "up", *options], env=environment, check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(
            [*command, "run", lesson, "--json"], env=environment, check=False, stdout=subprocess.PIPE
        )
        subprocess.run([*command, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(done.stdout)["lessons"][0]
    for failure in found["failures"]:
        print(f"{lesson} on {backend}, cell {failure['cell']}: {failure['reason']}", file=sys.stderr)
    return found


def engine_name(host: str) -> str:
    import docker

    client = docker.DockerClient(base_url=host)
    version = client.version()["Version"].partition("+")[0]
    client.close()
    return f"Docker Engine {version}"


def section(lesson: str, runs: Runs) -> str:
    """The table of one lesson: a row a cell, a column a backend."""
    cells = next(iter(runs.values()))["timings"]
    lines = [
        f"## {lesson}",
        "",
        f"| cell | first line | {' | '.join(runs)} |",
        "|---|---|" + "---|" * len(runs),
    ]
    for number, cell in enumerate(cells):
        source = cell["source"].replace("|", "\\|")
        seconds = " | ".join(f"{found['timings'][number]['seconds']:.1f}" for found in runs.values())
        lines.append(f"| {number + 1} | `{source}` | {seconds} |")
    totals = " | ".join(f"{found['seconds']:.1f}" for found in runs.values())
    return "\n".join([*lines, f"| | the whole lesson, kernel start included | {totals} |", ""])


def kept_sections() -> dict[str, str]:
    """The tables that are there already, by lesson."""
    if not PAGE.is_file():
        return {}
    parts = PAGE.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0].strip(): f"## {part.rstrip()}\n" for part in parts}


if __name__ == "__main__":
    sys.exit(main())
