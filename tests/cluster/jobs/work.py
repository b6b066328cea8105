"""The programs of Jobs under test, and a shorthand for Jobs that run them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dockyard.wire.clock import FakeClock
from tests.cluster.fakes import FakeProcess
from tests.cluster.harness import FakeCluster

Manifest = dict[str, Any]


async def working_cluster(
    root: Path, *, state: Path | None = None, clock: FakeClock | None = None
) -> FakeCluster:
    """A cluster whose shell understands `sleep`, `exit`, and a test of the completion index."""
    cluster = FakeCluster(root, state=state, clock=clock)
    cluster.runtime.start_seconds = lambda: 0.4

    def shell(process: FakeProcess) -> None:
        script = process.argv[2]
        seconds = re.search(r"sleep (\d+)", script)
        code = re.search(r"exit (\d+)", script)
        status = int(code[1]) if code else 0
        if "!= 1" in script:
            status = int(re.search(r"-1(-|$)", process.pod) is not None)
        if script == "lead" and not process.pod.endswith("-0"):
            return  # those that follow run until they are told to end
        # Slower than real: a real kubelet takes another second to say that a Pod is over.
        cluster.clock.call_later(float(seconds[1]) if seconds else 0.8, lambda: process.end(status))

    cluster.runtime.programs["sh"] = shell
    await cluster.start()
    cluster.timeline.clear()
    return cluster


def job(name: str, script: str = "true", *, restart: str = "Never", **spec: Any) -> Manifest:
    container = {"name": "work", "image": "work:1", "command": ["sh", "-c", script]}
    template = {
        "spec": {
            "restartPolicy": restart,
            "terminationGracePeriodSeconds": 2,
            "containers": [container],
        }
    }
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"template": template, **spec}}


def status_of(cluster: FakeCluster, name: str) -> Manifest:
    found: Manifest = cluster.api.get("Job", name, "default")["status"]
    return found


def outcome(cluster: FakeCluster, name: str) -> str:
    """Complete, Failed with its reason, or nothing yet."""
    for condition in status_of(cluster, name).get("conditions", ()):
        if condition["type"] == "Complete":
            return "Complete"
        if condition["type"] == "Failed":
            return f"Failed: {condition['reason']}"
    return ""


def pods_of(cluster: FakeCluster, name: str) -> list[Manifest]:
    return cluster.api.list("Pod", "default", labels={"job-name": name})
