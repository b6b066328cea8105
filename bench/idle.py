"""What the platform costs when nobody asks for anything: the CPU time of all its processes together."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.place import daemon_pid, home, kubectl, timed, with_kubeconfig
from bench.pods import MANIFEST
from bench.rows import Row, main
from dockyard.cli._processes import descendants

SETTLE_SECONDS, SECONDS = 5.0, 30.0
PODS = 50


def used(environ: dict[str, str]) -> float:
    """Seconds of CPU time of the daemon and all below it, children that have ended among them (proc(5))."""
    pid = daemon_pid(environ)
    ticks = 0
    for one in [pid, *(process.pid for process in descendants(pid))]:
        try:
            text = Path(f"/proc/{one}/stat").read_text()
        except OSError:
            continue
        ticks += sum(int(field) for field in text.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def share(environ: dict[str, str]) -> float:
    """Percent of one core, over half a minute."""
    time.sleep(SETTLE_SECONDS)
    before, started = used(environ), time.monotonic()
    time.sleep(SECONDS)
    return 100 * (used(environ) - before) / (time.monotonic() - started)


def measure(rounds: int) -> list[Row]:
    """One platform, alone and then with Pods."""
    alone: list[float] = []
    with_pods: list[float] = []
    with home() as environ:
        timed(environ, "up")
        environ = with_kubeconfig(environ)
        alone += [share(environ) for _ in range(rounds)]
        kubectl(environ, "apply", "-f", "-", stdin=MANIFEST % PODS)
        kubectl(environ, "wait", "--for=condition=Available", "deployment/idle", "--timeout=60s")
        with_pods += [share(environ) for _ in range(rounds)]
    return [
        Row("CPU of the idle platform, all processes", "%", alone, 1.0, "of one core; 3 nodes, no Pods"),
        Row(f"CPU with {PODS} Pods that sleep", "%", with_pods, None, "of one core; no probes"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=3)
