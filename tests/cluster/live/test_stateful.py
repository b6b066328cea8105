"""StatefulSets, DaemonSets and their volumes with real processes and real files, by kubectl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.live.conftest import LiveCluster
from tests.deadline import eventually


@pytest.fixture(scope="module", autouse=True)
def applied(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", str(Path(__file__).parent / "manifests" / "stateful.yaml"))
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")


def log(kubectl: Kubectl, pod: str) -> list[str]:
    return kubectl("exec", pod, "--", "cat", "/data/log").split()


def get(kubectl: Kubectl, *what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(kubectl("get", *what, "-o", "json"))["items"]
    return found


def test_each_pod_has_its_own_data_and_finds_it_again(kubectl: Kubectl) -> None:
    kubectl("exec", "db-0", "--", "sh", "-c", "echo zero >> /data/log")
    assert (log(kubectl, "db-0"), log(kubectl, "db-1")) == (["one", "zero"], ["one"])
    kubectl("delete", "pod", "db-0")
    kubectl("wait", "--for=condition=Ready", "pod/db-0", "--timeout=30s")
    assert log(kubectl, "db-0") == ["one", "zero", "one"]


def test_an_update_goes_from_the_last_pod_to_the_first_and_back_with_undo(kubectl: Kubectl) -> None:
    before = len(log(kubectl, "db-1"))
    kubectl("set", "env", "statefulset/db", "VERSION=two")
    told = kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    assert "out of 2 new pods have been updated" in told
    assert (log(kubectl, "db-0")[-1], log(kubectl, "db-1")[-1]) == ("two", "two")
    rows = kubectl("rollout", "history", "statefulset/db").splitlines()
    assert [row.split()[0] for row in rows if row[:1].isdigit()] == ["1", "2"]
    assert "VERSION:\ttwo" in kubectl("rollout", "history", "statefulset/db", "--revision=2")
    kubectl("rollout", "undo", "statefulset/db")
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    assert log(kubectl, "db-1")[before:] == ["two", "one"]
    rows = kubectl("rollout", "history", "statefulset/db").splitlines()
    assert [row.split()[0] for row in rows if row[:1].isdigit()] == ["2", "3"]


def test_a_daemon_runs_on_every_node_and_its_rollout_can_be_undone(kubectl: Kubectl) -> None:
    nodes = sorted(
        node["metadata"]["name"] for node in get(kubectl, "nodes") if not node["spec"].get("taints")
    )
    assert sorted(p["spec"]["nodeName"] for p in get(kubectl, "pods", "-l", "app=agent")) == nodes
    kubectl("set", "env", "daemonset/agent", "A=1")
    kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
    kubectl("rollout", "undo", "daemonset/agent")
    kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert "A=1" not in kubectl("set", "env", "daemonset/agent", "--list")
    rows = kubectl("rollout", "history", "daemonset/agent").splitlines()
    assert [row.split()[0] for row in rows if row[:1].isdigit()] == ["2", "3"]


@pytest.mark.embedded("each node there has a directory of its own, on a machine that we don't see")
def test_a_directory_of_the_node_is_shared_and_not_made_on_the_machine(kubectl: Kubectl) -> None:
    first, *others = [pod["metadata"]["name"] for pod in get(kubectl, "pods", "-l", "app=agent")]
    kubectl("exec", first, "--", "sh", "-c", "echo hello > /shared/greeting")
    heard = {kubectl("exec", pod, "--", "cat", "/shared/greeting") for pod in others}
    assert heard == {"hello\n"}
    assert not Path("/var/lib/agents").exists()


def test_claims_outlive_their_statefulset_and_their_data_ends_with_them(
    kubectl: Kubectl, inside: LiveCluster | None
) -> None:
    kubectl("delete", "statefulset", "db", "--cascade=foreground", "--timeout=60s")
    assert get(kubectl, "pods", "-l", "app=db") == []
    provisioned = inside.directory / "hostpath" / "provisioned" if inside else None
    claims = get(kubectl, "pvc")
    assert len(claims) == 2
    assert provisioned is None or len(list(provisioned.iterdir())) == 2
    kubectl("delete", "pvc", "--all", "--timeout=60s")
    eventually(lambda: provisioned is None or not list(provisioned.iterdir()), "the data is deleted")
    volumes = {claim["spec"]["volumeName"] for claim in claims}
    eventually(lambda: not volumes & {pv["metadata"]["name"] for pv in get(kubectl, "pv")}, "and the volumes")
