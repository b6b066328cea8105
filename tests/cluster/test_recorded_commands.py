"""Command lines of recorded scenarios, run again: kubectl prints what it printed against a real cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import KUBECTL, LiveServer

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
RECORDED: dict[str, list[dict[str, Any]]] = json.loads((DATA / "commands.json").read_text())
DIFFERENT: dict[str, dict[str, str]] = json.loads((DATA / "commands-different.json").read_text())
# What is different in every run, and what stands for it.
_CHANGES = (
    (r"<uid-\d+>|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|T[+-][\d.]+s", "TIME"),
    (r"<r\d+>|(?<=access-)[a-z0-9]{5}", "RANDOM"),
    (r"resourceVersion: \S+", "resourceVersion: N"),
    (r'resourceVersion(\\?)":\\?"\w+', r'resourceVersion\1":N'),
    (r"10\.96\.\d+\.\d+", "ADDRESS"),
    (r"<tmpdir>|/tmp(?=/)", "TMP"),
    (r"-<n>|-\d{6,}", "-N"),
    (r"<date>|\d{4}-\d\d-\d\d \d\d:[\d:.]+ \+0000", "DATE"),
    (r"(?<= )(\d+m)?\d+s\b", "AGE"),
    (r" +", " "),
)


def comparable(text: str) -> str:
    for pattern, replacement in _CHANGES:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.timeout(300)  # up to seventy runs of kubectl in one test
@pytest.mark.parametrize("scenario", sorted(RECORDED))
def test_kubectl_prints_what_it_printed(scenario: str, server: LiveServer) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(server.kubeconfig),
        "KUBECACHEDIR": str(server.directory / "cache"),
        "HOME": str(server.directory),
        "TMPDIR": "/tmp",
    }
    server.do(server.plane.api.create, "Namespace", {"metadata": {"name": scenario}})
    known = DIFFERENT.get(scenario, {})
    wrong: list[tuple[Any, ...]] = []
    for number, step in enumerate(RECORDED[scenario]):
        command = step["cmd"].replace("kubectl", str(KUBECTL), 1)
        done = subprocess.run(
            ["bash", "-c", command],
            input=step["stdin"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        ours = done.returncode, comparable(done.stdout), comparable(done.stderr)
        theirs = step["rc"], comparable(step["stdout"]), comparable(step["stderr"])
        if (ours == theirs) == (str(number) in known):
            wrong.append((number, step["cmd"], ours, theirs))
    assert not wrong, "\n".join(str(step) for step in wrong)


def test_recordings_are_found() -> None:
    assert sum(len(steps) for steps in RECORDED.values()) > 90
    assert all(len(reason) > 20 for reasons in DIFFERENT.values() for reason in reasons.values())
