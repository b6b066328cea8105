"""The backend `kubeconfig`: one namespace of somebody's cluster, and nothing else of it."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import docker
import pytest

from dockyard.backends import Choice, KubeconfigBackend, remembered
from dockyard.errors import UserError
from tests.backends.somebodys import SomebodysCluster
from tests.cli.conftest import CommandLine
from tests.deadline import eventually
from tests.engine.registries import RegistryProcess, program_of_registry

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: theirs}
spec:
  replicas: 0
  selector: {matchLabels: {app: theirs}}
  template:
    metadata: {labels: {app: theirs}}
    spec: {containers: [{name: main, image: busybox}]}
"""


@pytest.fixture
def learner(cluster: SomebodysCluster, tmp_path: Path) -> Path:
    """The learner's own kubeconfig: two contexts, of which `work` is the current one."""
    return cluster.learners_file(tmp_path / "config", work={"namespace": "shop"}, course={})


def up(cli: CommandLine, learner: Path, namespace: str, *more: str) -> Any:
    arguments = ("--kubeconfig", str(learner), "--context", "course", "--namespace", namespace, *more)
    return cli.json("up", "--backend", "kubeconfig", *arguments)


def test_no_context_is_used_that_was_not_named(
    cli: CommandLine, learner: Path, cluster: SomebodysCluster
) -> None:
    before = cluster.names("namespaces")
    done = cli.run("up", "--backend", "kubeconfig", "--kubeconfig", str(learner))
    assert done.returncode == 2
    assert "which context?" in done.stderr
    assert "work" in done.stderr
    assert "course" in done.stderr
    cli.environ["KUBECONFIG"] = str(learner)
    assert cli.run("up", "--backend", "kubeconfig").returncode == 2
    assert cluster.names("namespaces") == before
    assert not cli.home.choice.exists()
    alone = cluster.learners_file(learner.with_name("alone"), only={})
    state = cli.json("up", "--backend", "kubeconfig", "--kubeconfig", str(alone), "--namespace", "alone")
    assert state["context"] == "only"
    assert cli.run("down").returncode == 0


def test_up_makes_its_namespace_and_down_removes_it_and_nothing_else(
    cli: CommandLine, learner: Path, cluster: SomebodysCluster
) -> None:
    theirs, file = cluster.names("namespaces"), learner.read_bytes()
    state = up(cli, learner, "mine")
    assert (state["context"], state["namespace"]) == ("course", "mine")
    assert len(state["nodes"]) == 3
    copy = Path(state["kubeconfig"])
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    document = json.loads(copy.read_text())
    assert [item["name"] for item in document["contexts"]] == ["course"]
    assert document["contexts"][0]["context"]["namespace"] == "mine"
    assert cli.json("status")["namespace"] == "mine"
    assert cli.json("env")["KUBECONFIG"] == str(copy)
    assert set(cluster.names("namespaces")) - set(theirs) == {"namespace/mine"}
    cluster.kubectl("apply", "-n", "mine", "-f", "-", text=DEPLOYMENT)
    assert up(cli, learner, "mine")["namespace"] == "mine", "a second time nothing changes"
    assert cli.run("down").returncode == 0
    assert cluster.names("namespaces") == theirs
    assert (learner.read_bytes(), copy.exists(), cli.home.choice.exists()) == (file, False, False)


def test_namespace_that_was_there_stays_with_what_was_in_it(
    cli: CommandLine, learner: Path, cluster: SomebodysCluster
) -> None:
    cluster.kubectl("create", "namespace", "given")
    cluster.kubectl("create", "quota", "-n", "given", "limit", "--hard=pods=9")
    cluster.kubectl("create", "configmap", "-n", "given", "theirs")
    kept = set(cluster.names("quota,configmaps,secrets,serviceaccounts", "-n", "given"))
    up(cli, learner, "given")
    cluster.kubectl("apply", "-n", "given", "-f", "-", text=DEPLOYMENT)
    cluster.kubectl("create", "configmap", "-n", "given", "mine")
    assert cli.run("down").returncode == 0
    assert set(cluster.names("quota,configmaps,secrets,serviceaccounts", "-n", "given")) == kept
    assert cluster.names("deployments", "-n", "given") == []


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_namespace_of_everybody_is_refused(cli: CommandLine, learner: Path, namespace: str) -> None:
    assert "everybody's" in up_fails(cli, learner, namespace)


def test_namespace_in_use_is_refused(cli: CommandLine, learner: Path, cluster: SomebodysCluster) -> None:
    cluster.kubectl("create", "namespace", "busy")
    cluster.kubectl("apply", "-n", "busy", "-f", "-", text=DEPLOYMENT)
    assert "in use: deployments/theirs" in up_fails(cli, learner, "busy")
    assert cluster.names("deployments", "-n", "busy") == ["deployment.apps/theirs"]
    labels = "app.kubernetes.io/managed-by=dockyard-course,dockyard.course/home=01234567"
    cluster.kubectl("create", "namespace", "another")
    cluster.kubectl("label", "namespace", "another", *labels.split(","))
    assert "another learner" in up_fails(cli, learner, "another")


def up_fails(cli: CommandLine, learner: Path, namespace: str) -> str:
    arguments = ("--kubeconfig", str(learner), "--context", "course", "--namespace", namespace)
    done = cli.run("up", "--backend", "kubeconfig", *arguments)
    assert done.returncode == 4
    assert not cli.home.choice.exists()
    assert not list(cli.home.root.glob("kubeconfig*"))
    return done.stderr


def test_user_of_one_namespace_works_in_it_and_is_told_what_he_lacks(
    cli: CommandLine, tmp_path: Path, cluster: SomebodysCluster
) -> None:
    cluster.kubectl("create", "namespace", "room")
    cluster.kubectl("create", "serviceaccount", "learner", "-n", "default")
    token = cluster.kubectl("create", "token", "learner", "-n", "default").strip()
    file = cluster.learners_file(tmp_path / "theirs", course={"user": {"token": token}})
    assert "may not create pods" in up_fails(cli, file, "room")
    cluster.kubectl(
        "create", "rolebinding", "l", "-n", "room", "--clusterrole=admin", "--serviceaccount=default:learner"
    )
    cluster.kubectl("create", "serviceaccount", "teacher", "-n", "default")
    everywhere = ("--clusterrole=admin", "--serviceaccount=default:teacher")
    cluster.kubectl("create", "clusterrolebinding", "teacher", *everywhere)
    token = cluster.kubectl("create", "token", "teacher", "-n", "default").strip()
    teachers = cluster.learners_file(tmp_path / "teachers", course={"user": {"token": token}})
    assert "cannot be made" in up_fails(cli, teachers, "nowhere")
    state = up(cli, file, "room")
    assert state["nodes"] == {}
    assert "not to be looked at" in cli.run("status").stdout
    findings = {item["value"] for item in cli.json("doctor")["findings"]}
    assert "this user may not list the cluster's nodes" in findings
    assert "this user may not create ResourceQuotas in room" in findings
    assert cli.run("down").returncode == 0
    assert cluster.names("rolebindings", "-n", "room") == ["rolebinding.rbac.authorization.k8s.io/l"]


def test_another_backend_waits_until_this_one_is_down(cli: CommandLine, learner: Path) -> None:
    up(cli, learner, "first")
    for arguments in (("embedded",), ("kubeconfig", "--namespace", "second")):
        done = cli.run("up", "--backend", *arguments)
        assert done.returncode == 4
        assert "./dockyard down" in done.stderr
    assert cli.json("status")["namespace"] == "first"
    assert cli.run("down").returncode == 0


def test_cluster_that_does_not_answer_is_said(cli: CommandLine, learner: Path) -> None:
    document = json.loads(learner.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    learner.write_text(json.dumps(document))
    assert "does not answer" in up_fails(cli, learner, "mine")


LOAD = """
import docker, pathlib, sys
log = pathlib.Path(sys.argv[3])
log.write_text((log.read_text() if log.exists() else "") + "once ")
client = docker.DockerClient(base_url=sys.argv[2])
client.images.load(open(sys.argv[1], "rb").read())
client.close()
"""


def test_load_command_brings_an_image_to_the_nodes_once(
    cli: CommandLine, learner: Path, cluster: SomebodysCluster, somebodys_engine: str, tmp_path: Path
) -> None:
    (tmp_path / "load.py").write_text(LOAD)
    log = tmp_path / "log"
    command = f"{sys.executable} {tmp_path}/load.py {{archive}} {cluster.docker_host} {log}"
    up(cli, learner, "images", "--docker-host", somebodys_engine, "--load-command", command)
    choice = remembered(cli.home)
    assert choice is not None
    theirs = docker.DockerClient(base_url=cluster.docker_host)
    mine = docker.DockerClient(base_url=somebodys_engine)
    try:
        mine.images.get("busybox").tag("course", "1")
        for _ in range(2):
            KubeconfigBackend(cli.home, choice).deliver(["course:1"], lambda what: None)
        assert log.read_text() == "once "
        assert theirs.images.get("course:1").id == mine.images.get("course:1").id
        assert list(cli.home.run.glob("dockyard-image-*")) == []
    finally:
        theirs.close()
        mine.close()
    run = ("run", "once", "-n", "images", "--image=course:1", "--restart=Never", "--", "true")
    cluster.kubectl(*run)
    eventually(
        lambda: "Succeeded" in cluster.kubectl("get", "pods", "-n", "images", "-o", "yaml"), "its Pod has run"
    )
    assert cli.run("down").returncode == 0


def test_registry_gets_an_image_under_the_name_that_manifests_then_say(
    cli: CommandLine, learner: Path, somebodys_engine: str, tmp_path: Path
) -> None:
    if program_of_registry() is None:
        pytest.skip("this machine has no docker-registry (Debian: apt install docker-registry)")
    registry = RegistryProcess(tmp_path)
    try:
        prefix = f"{registry.host}/team"
        up(cli, learner, "pushed", "--docker-host", somebodys_engine, "--registry", prefix)
        choice = remembered(cli.home)
        assert choice is not None
        client = docker.DockerClient(base_url=somebodys_engine)
        client.images.get("busybox").tag("course", "2")
        client.close()
        backend = KubeconfigBackend(cli.home, choice)
        assert backend.image("course:2") == f"{prefix}/course:2"
        backend.deliver(["course:2"], lambda what: None)
        assert json.loads(registry.ask("GET", "/v2/team/course/tags/list")[1])["tags"] == ["2"]
        values = [item["value"] for item in cli.json("doctor")["findings"] if item["subject"] == "registry"]
        assert values == [f"{prefix}: HTTP 200 by http"]
        assert cli.run("down").returncode == 0
    finally:
        registry.close()


def test_image_without_a_way_to_the_nodes_is_refused_with_the_ways(cli: CommandLine) -> None:
    with pytest.raises(UserError, match="there is no way") as refusal:
        KubeconfigBackend(cli.home, Choice("kubeconfig", context="c")).deliver(["a:1"], lambda what: None)
    assert "--registry" in refusal.value.advice
    assert "--load-command" in refusal.value.advice
