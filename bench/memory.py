"""Memory of the platform, idle and with 500 objects: the proportional set size of all its processes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.place import daemon_pid, home, kubectl, timed, with_kubeconfig
from bench.rows import Row, main
from dockyard.cli._processes import descendants

SETTLE_SECONDS = 3.0  # what a start leaves to be collected
KINDS, EACH = 5, 100


def pss(pid: int) -> float:
    """MB, shared pages counted in proportion (proc(5), smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def objects() -> str:
    """500 objects of five kinds, as YAML documents; what controllers add to them comes on top."""
    found: list[dict[str, Any]] = []
    for number in range(EACH):
        name = f"thing-{number}"
        labels = {"app": name}
        pod = {"containers": [{"name": "app", "image": "busybox", "env": [{"name": "A", "value": "b"}]}]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        found += [
            {"apiVersion": "v1", "kind": "ConfigMap", "data": {"config.yaml": "key: value\n" * 20}},
            {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "x" * 32}},
            {"apiVersion": "v1", "kind": "ServiceAccount"},
            {"apiVersion": "v1", "kind": "Service", "spec": {"selector": labels, "ports": [{"port": 80}]}},
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
            },
        ]
        for obj in found[-KINDS:]:
            obj["metadata"] = {"name": name, "labels": labels}
    return "\n---\n".join(json.dumps(obj) for obj in found)


def family(environ: dict[str, str]) -> tuple[float, float]:
    """MB of the daemon, and of all processes together."""
    pid = daemon_pid(environ)
    daemon = pss(pid)
    return daemon, daemon + sum(pss(process.pid) for process in descendants(pid))


def measure(rounds: int) -> list[Row]:
    """Each sample is a platform of its own, idle for a few seconds."""
    totals: list[float] = []
    daemons: list[float] = []
    totals_full: list[float] = []
    daemons_full: list[float] = []
    for _ in range(rounds):
        with home() as environ:
            timed(environ, "up")
            time.sleep(SETTLE_SECONDS)
            daemon, total = family(environ)
            daemons.append(daemon)
            totals.append(total)
            environ = with_kubeconfig(environ)
            kubectl(environ, "create", "-f", "-", stdin=objects())
            kubectl(environ, "get", "all,configmaps,secrets", "-A")
            kubectl(environ, "get", "all", "-A", "-o", "yaml")
            time.sleep(SETTLE_SECONDS)
            daemon, total = family(environ)
            daemons_full.append(daemon)
            totals_full.append(total)
    return [
        Row("memory of the idle platform, all processes", "MB", totals, 120.0, "PSS"),
        Row("of it the daemon", "MB", daemons, None, "PSS"),
        Row(f"memory with {EACH * KINDS} objects, all processes", "MB", totals_full, 150.0, "PSS"),
        Row("of it the daemon", "MB", daemons_full, None, "PSS; with what controllers made of them"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=3)
