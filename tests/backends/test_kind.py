"""The backend `kind`, with a program that plays `kind`: what it is told to do, and what stays behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from dockyard.backends import KindBackend, nodecut, remembered
from tests.backends.somebodys import SomebodysCluster
from tests.cli.conftest import CommandLine

FAKE = Path(__file__).with_name("fake_kind.py")


@dataclass
class Kind:
    """The program on a PATH of its own, and what it was told."""

    state: Path

    def calls(self, *words: str) -> list[dict[str, Any]]:
        """How it was called with these first words."""
        lines = (self.state / "calls.jsonl").read_text().splitlines()
        calls: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [call for call in calls if call["argv"][: len(words)] == list(words)]

    @property
    def clusters(self) -> list[str]:
        return (self.state / "clusters").read_text().split()


@pytest.fixture
def kind(
    tmp_path: Path, cluster: SomebodysCluster, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> Kind:
    state, programs = tmp_path / "kind-state", tmp_path / "bin"
    state.mkdir()
    programs.mkdir()
    shutil.copy(cluster.admin, state / "kubeconfig")
    program = programs / "kind"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} {state} "$@"\n')
    program.chmod(0o755)
    cli.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", cli.environ["PATH"])
    return Kind(state)


def test_up_makes_a_cluster_uses_it_again_and_down_deletes_it(
    cli: CommandLine, kind: Kind, somebodys_engine: str
) -> None:
    state = cli.json("up", "--backend", "kind", "--docker-host", somebodys_engine)
    name = f"dockyard-{cli.home.digest}"
    assert (state["backend"], state["cluster"], len(state["nodes"])) == ("kind", name, 3)
    (call,) = kind.calls("create")
    assert call["docker"] == somebodys_engine
    assert call["argv"][call["argv"].index("--kubeconfig") + 1] == str(cli.home.root / "kubeconfig-kind")
    assert call["text"].count("role:") == 3
    assert cli.json("up")["cluster"] == name
    assert cli.json("up", "--backend", "kind")["cluster"] == name
    assert len(kind.calls("create")) == 1
    assert "uses cluster" in cli.run("status").stdout
    assert cli.run("down").returncode == 0
    assert kind.clusters == []
    assert not list(cli.home.root.glob("kubeconfig*"))
    assert not cli.home.choice.exists()


def test_cluster_that_is_named_is_used_and_stays(
    cli: CommandLine, kind: Kind, somebodys_engine: str, cluster: SomebodysCluster
) -> None:
    (kind.state / "clusters").write_text("work")
    cluster.kubectl("create", "namespace", "theirs")
    for name in ("lesson-06", "ex-06-1"):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, "app.kubernetes.io/managed-by=dockyard-course")
    state = cli.json("up", "--backend", "kind", "--cluster", "work", "--docker-host", somebodys_engine)
    assert state["cluster"] == "work"
    assert kind.calls("create") == []
    assert cli.run("down").returncode == 0
    assert kind.calls("delete") == []
    left = cluster.names("namespaces")
    assert "namespace/theirs" in left
    assert not {"namespace/lesson-06", "namespace/ex-06-1"} & set(left)


def test_cluster_that_fails_to_start_is_removed_and_the_learner_told(
    cli: CommandLine, kind: Kind, somebodys_engine: str
) -> None:
    (kind.state / "fails").touch()
    done = cli.run("up", "--backend", "kind", "--docker-host", somebodys_engine)
    assert done.returncode == 4
    assert "failed to create cluster" in done.stderr
    assert kind.clusters == []
    assert not cli.home.choice.exists()


def test_images_are_loaded_as_archives_once(cli: CommandLine, kind: Kind, somebodys_engine: str) -> None:
    cli.json("up", "--backend", "kind", "--docker-host", somebodys_engine)
    choice = remembered(cli.home)
    assert choice is not None
    client = docker.DockerClient(base_url=somebodys_engine)
    client.images.get("busybox").tag("course", "1")
    client.close()
    for _ in range(2):
        KindBackend(cli.home, choice).deliver(["course:1"], lambda what: None)
    (call,) = kind.calls("load")
    assert call["tags"] == ["course:1"]
    assert call["argv"][-2:] == ["--name", f"dockyard-{cli.home.digest}"]
    cli.run("down")
    cli.json("up", "--backend", "kind", "--docker-host", somebodys_engine)
    KindBackend(cli.home, choice).deliver(["course:1"], lambda what: None)
    assert len(kind.calls("load")) == 2, "a new cluster has none of them"
    cli.run("down")


def test_what_is_missing_is_said_with_how_to_get_it(
    cli: CommandLine, somebodys_engine: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    cli.environ["PATH"] = str(tmp_path / "empty")
    done = cli.run("up", "--backend", "kind", "--docker-host", somebodys_engine)
    assert done.returncode == 4
    assert "no `kind`" in done.stderr
    assert "kind.sigs.k8s.io" in done.stderr
    done = cli.run("doctor", "--backend", "kind")
    assert done.returncode == 1
    assert "kind.sigs.k8s.io" in done.stdout
    assert "docs.docker.com" in done.stdout


def test_option_of_another_backend_is_refused(cli: CommandLine) -> None:
    done = cli.run("up", "--cluster", "work")
    assert done.returncode == 2
    assert "--cluster goes with --backend kind" in done.stderr
    done = cli.run("up", "--backend", "docker", "--kubeconfig", "x")
    assert done.returncode == 2
    assert "--kubeconfig goes with --backend kubeconfig" in done.stderr


IPTABLES = """#!{python}
import os, sys
rules = os.environ["RULES"] + os.path.basename(sys.argv[0])
kept = open(rules).read().splitlines() if os.path.exists(rules) else []
words = [word for word in sys.argv[1:]]
assert words[:2] == ["-w", "5"], words
match words[2:]:
    case ["-S", "FORWARD"]:
        print("-P FORWARD ACCEPT", *kept, sep="\\n")
    case ["-I", "FORWARD", "1", *rule]:
        kept.insert(0, "-A FORWARD " + " ".join(rule))
    case ["-D", "FORWARD", *rule]:
        kept.remove("-A FORWARD " + " ".join(rule))
    case _:
        sys.exit("what?")
open(rules, "w").write("\\n".join(kept))
"""


def test_cut_drops_both_ways_and_is_undone_after_its_pods_have_gone(tmp_path: Path) -> None:
    for name in ("iptables", "ip6tables"):
        (tmp_path / name).write_text(IPTABLES.format(python=sys.executable))
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "RULES": f"{tmp_path}/rules-"}

    def rules(script: str) -> list[str]:
        subprocess.run(["sh", "-ec", script], env=environment, check=True, timeout=20)
        return [line for path in sorted(tmp_path.glob("rules-*")) for line in path.read_text().splitlines()]

    first = rules(nodecut.cut_script("a", "app=db", ["10.244.1.5", "fd00:10:244::5"]))
    assert [line.split()[2:4] + line.split()[-2:] for line in first] == [
        ["-d", "fd00:10:244::5", "-j", "DROP"],
        ["-s", "fd00:10:244::5", "-j", "DROP"],
        ["-d", "10.244.1.5", "-j", "DROP"],
        ["-s", "10.244.1.5", "-j", "DROP"],
    ]
    assert rules(nodecut.cut_script("a", "app=db", ["10.244.1.5", "fd00:10:244::5"])) == first
    both = rules(nodecut.cut_script("a", "app=web", ["10.244.2.7"]))
    assert len(both) == 6
    assert rules(nodecut.restore_script("a", "app=web")) == first
    assert rules(nodecut.restore_script("a", "app=db")) == []
    assert rules(nodecut.restore_script("a", "app=db")) == []
