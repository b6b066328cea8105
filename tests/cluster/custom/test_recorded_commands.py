"""The recorded life of a CustomResourceDefinition: kubectl prints what it printed there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.controllers import customresourcedefinition
from dockyard.cluster.manager import Manager
from tests.cluster.conftest import Kubectl, LiveServer

RECORDING: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data/kubernetes/custom-resources.json").read_text()
)
NAMESPACE = "crd-and-custom-resources"
# What kubectl says of a namespace that the recorder didn't name for this command, and we always do.
NAMED = "Warning: deleting cluster-scoped resources, not scoped to the provided namespace"


@pytest.fixture(scope="module")
def server_with_definitions(server: LiveServer) -> Iterator[LiveServer]:
    """The API server, and the controller that its definitions need."""
    api = server.plane.api

    async def start() -> Manager:
        made = Manager(api, api.clock, [customresourcedefinition.controller(api)])
        made.run()
        return made

    manager = server.call(start())
    server.do(api.create, "Namespace", {"metadata": {"name": NAMESPACE}})
    yield server
    server.do(manager.stop)


def _told(text: str) -> list[str]:
    """The lines of an answer without what differs from run to run: ages, uids, versions, times."""
    text = re.sub(r"uid: \S+|UID: +\S+", "UID", text)
    text = re.sub(r"resourceVersion: \S+|Resource Version: +\S+", "VERSION", text)
    text = re.sub(r"(creationTimestamp|lastTransitionTime): \S+|Creation Timestamp: +\S+", "TIME", text)
    text = re.sub(r"\b\d+s$", "AGE", text, flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def test_kubectl_prints_what_it_printed_on_a_real_cluster(
    server_with_definitions: LiveServer, kubectl: Kubectl
) -> None:
    k = Kubectl(kubectl.kubeconfig, kubectl.cache, NAMESPACE)
    different = []
    for step in RECORDING["steps"]:
        done = k.run(*shlex.split(step["cmd"])[1:], stdin=step.get("stdin", ""))
        wanted = [*_told(step["stdout"] or "\n".join(step.get("lines", ()))), *_told(step["stderr"])]
        found = [line for line in (*_told(done.stdout), *_told(done.stderr)) if line != NAMED]
        if sorted(found) != sorted(wanted) or done.returncode != step["rc"]:
            different.append((step["cmd"], wanted, found))
    assert not different


def test_the_definition_goes_through_the_recorded_conditions(
    server_with_definitions: LiveServer, kubectl: Kubectl
) -> None:
    api = server_with_definitions.plane.api
    recorded = [_face(change["type"], change["conditions"]) for change in RECORDING["definition"]]
    seen = []
    end = server_with_definitions.do(
        api.subscribe,
        lambda event: (
            seen.append(_face(event.type, event.object["status"]["conditions"]))
            if event.kind == "CustomResourceDefinition"
            else None
        ),
    )
    kubectl("apply", "-f", "-", stdin=RECORDING["steps"][0]["stdin"])
    kubectl("wait", "crd", "--all", "--for=condition=Established")
    kubectl("delete", "crd", "--all")
    server_with_definitions.do(end)
    assert seen == recorded


def _face(type_: str, conditions: list[dict[str, Any]] | None) -> list[Any]:
    return [type_, [[c["type"], c["status"], c["reason"], c["message"]] for c in conditions or ()]]
