"""`dockyard node`: a node loses its power and gets it back, as kubectl sees it."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.conftest import CommandLine
from tests.deadline import eventually

NAMES = ("dockyard-1", "dockyard-2", "dockyard-3")


def kubectl(line: CommandLine, *arguments: str) -> str:
    """What kubectl answers, or its complaint."""
    done = subprocess.run(
        ["kubectl", *arguments],
        env=line.environment(KUBECONFIG=str(line.home.kubeconfig)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout or done.stderr


def test_a_stopped_node_is_lost_and_a_started_one_is_ready(running: CommandLine) -> None:
    assert running.json("node") == {"nodes": dict.fromkeys(NAMES, "Ready")}
    assert running.run("node", "list").stdout.splitlines() == [f"{name}  Ready" for name in NAMES]
    assert "3 nodes Ready" in running.run("status").stdout

    done = running.run("node", "stop", "dockyard-2", "--grace", "1")
    assert done.returncode == 0, done.stderr
    assert "dockyard-2 has no power" in done.stdout
    assert running.json("node")["nodes"]["dockyard-2"] == "stopped"
    assert "2 of 3 nodes Ready" in running.run("status").stdout

    def shows(state: str) -> bool:
        return f"dockyard-2 {state} " in " ".join(kubectl(running, "get", "node", "dockyard-2").split())

    eventually(lambda: shows("NotReady"), "a silent node is lost")
    assert running.json("node", "start", "dockyard-2")["nodes"]["dockyard-2"] == "Ready"
    eventually(lambda: shows("Ready"), "it is back")


def test_an_added_node_has_memory_of_its_own_until_it_is_removed(running: CommandLine) -> None:
    assert running.json("node", "add", "small", "--memory", "512Mi")["nodes"]["small"] == "Ready"
    again = running.run("node", "add", "small", "--memory", "0.5Gi")
    assert again.returncode == 0, again.stderr
    shown = json.loads(kubectl(running, "get", "node", "small", "-o", "json"))
    assert shown["status"]["capacity"]["memory"] == "512Mi"
    assert shown["status"]["allocatable"]["memory"] == f"{412 << 10}Ki"
    assert [taint["key"] for taint in shown["spec"]["taints"]] == ["dockyard.course/added"]
    assert set(running.json("node", "remove", "small")["nodes"]) == set(NAMES)
    assert "not found" in kubectl(running, "get", "node", "small")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["add", "dockyard-1", "--memory", "1Gi"], "there is a node dockyard-1 already"),
        (["add", "small", "--memory", "much"], "no amount of memory"),
        (["add", "small", "--memory", "100Mi"], "too little"),
        (["add", "No_Name", "--memory", "1Gi"], "Invalid value"),
        (["remove", "dockyard-1"], "there is no added node"),
        (["remove", "small"], "there is no added node"),
    ],
)
def test_nodes_that_cannot_be_added_or_removed_say_why(
    running: CommandLine, arguments: list[str], why: str
) -> None:
    done = running.run("node", *arguments, "--json")
    assert done.returncode == 4
    assert why in json.loads(done.stdout)["error"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["stop"], 2),
        (["list", "dockyard-1"], 2),
        (["fly"], 2),
        (["add", "small"], 2),
        (["stop", "dockyard-1", "--memory", "1Gi"], 2),
    ],
)
def test_wrong_usage_is_refused(cli: CommandLine, arguments: list[str], code: int) -> None:
    assert cli.run("node", *arguments).returncode == code


def test_unknown_nodes_are_refused_with_the_known_ones(running: CommandLine) -> None:
    done = running.run("node", "stop", "nonsense", "--json")
    assert done.returncode == 4
    assert "dockyard-1, dockyard-2, dockyard-3" in json.loads(done.stdout)["advice"]


def test_without_a_platform_there_are_no_nodes(cli: CommandLine) -> None:
    assert cli.run("node").returncode == 3
