"""The recorded scenario of a ServiceAccount that may little: kubectl prints what it printed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.access import roles
from tests.cluster.conftest import KUBECTL, LiveServer
from tests.cluster.test_recorded_commands import comparable

DATA = Path(__file__).parent.parent.parent / "data" / "kubernetes"
# Without the steps that need a node or name another admin, and without the rule for /.well-known that the
# recorded cluster had been given.
STEPS: list[dict[str, Any]] = json.loads((DATA / "rbac-denied.json").read_text())
RECORDED_ROLES: dict[str, Any] = json.loads((DATA / "cluster-roles.json").read_text())


def printed(step: dict[str, Any], text: str) -> Any:
    """Output to compare. A list of rights is in the order of a map of bindings, another in every run."""
    if "can-i --list" not in step["cmd"]:
        return comparable(text)
    return sorted(
        sorted(comparable(line).replace("[", " ").replace("]", " ").split()) for line in text.split("\n")
    )


@pytest.mark.timeout(300)  # thirty runs of kubectl
def test_kubectl_prints_what_it_printed(server: LiveServer) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(server.kubeconfig),
        "KUBECACHEDIR": str(server.directory / "cache"),
        "HOME": str(server.directory),
    }
    server.do(server.plane.api.create, "Namespace", {"metadata": {"name": "rbac-denied"}})
    wrong = []
    for step in STEPS:
        done = subprocess.run(
            ["bash", "-c", step["cmd"].replace("kubectl", str(KUBECTL), 1)],
            input=step["stdin"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        ours = done.returncode, printed(step, done.stdout), comparable(done.stderr)
        theirs = step["rc"], printed(step, step["stdout"]), comparable(step["stderr"])
        if ours != theirs:
            wrong.append((step["cmd"], ours, theirs))
    assert len(STEPS) > 25
    assert not wrong, "\n".join(str(step) for step in wrong)


@pytest.mark.parametrize("name", sorted(RECORDED_ROLES))
def test_role_is_what_it_was(name: str, server: LiveServer) -> None:
    role = server.do(server.plane.api.get, "ClusterRole", name)
    recorded = RECORDED_ROLES[name]
    assert role["rules"] == recorded["rules"]
    assert role.get("aggregationRule") == recorded.get("aggregationRule")
    assert role["metadata"].get("labels") == recorded["metadata"]["labels"]
    assert role["metadata"].get("annotations") == recorded["metadata"]["annotations"]


def test_every_default_binding_has_its_role(server: LiveServer) -> None:
    known = {role["metadata"]["name"] for role in roles.cluster_roles()}
    for binding in server.do(server.plane.api.list, "ClusterRoleBinding"):
        assert binding["roleRef"]["name"] in known
