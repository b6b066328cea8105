"""Server-side apply: what a real cluster did, and the rules behind it."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tests.cluster.conftest import Kubectl

RECORDED = Path(__file__).parents[1] / "data" / "kubernetes" / "server-side-apply.json"
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {data}
"""


@pytest.fixture
def k(kubectl: Kubectl) -> Kubectl:
    return kubectl


def applied(k: Kubectl, name: str, manager: str, data: dict[str, str], *more: str) -> Any:
    text = CONFIG.format(name=name, data=json.dumps(data))
    return k.run("apply", "--server-side", f"--field-manager={manager}", "-f", "-", *more, stdin=text)


def managers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of clients, by name: controllers have none here, and a second decides on their order."""
    entries = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in obj["metadata"].get("managedFields", [])
        if entry["manager"] != "kube-controller-manager"
    ]
    return sorted(entries, key=lambda entry: (entry["operation"], entry["manager"]))


def comparable(text: str) -> Any:
    """What a recorded `get -o yaml` and ours must agree in."""
    obj = yaml.safe_load(text)
    metadata = obj["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop("deployment.kubernetes.io/revision", None)
    kept = {key: obj[key] for key in ("apiVersion", "kind", "data", "spec") if key in obj}
    return kept | {"labels": metadata.get("labels"), "annotations": annotations, "managers": managers(obj)}


def test_recorded_session_goes_as_it_went(k: Kubectl) -> None:
    steps = json.loads(RECORDED.read_text())
    k("create", "namespace", "server-side-apply")
    assert len(steps) > 20
    for number, step in enumerate(steps):
        arguments = shlex.split(step["cmd"].replace("\\", "\\\\"))[1:]
        done = k.run(*arguments, stdin=step["stdin"])
        where = f"step {number}: {step['cmd']}"
        assert done.returncode == step["rc"], f"{where}\n{done.stderr}"
        assert re.sub(r" at \S+Z", "", done.stderr) == re.sub(r" at \S+", "", step["stderr"]), where
        if "-o yaml" in step["cmd"]:
            assert comparable(done.stdout) == comparable(step["stdout"]), where
        else:
            assert done.stdout == step["stdout"], where


def test_field_that_nobody_names_any_more_goes(k: Kubectl) -> None:
    assert applied(k, "goes", "one", {"a": "1", "b": "1"}).returncode == 0
    assert applied(k, "goes", "two", {"b": "1", "c": "1"}).returncode == 0
    assert applied(k, "goes", "one", {"a": "1"}).returncode == 0
    assert json.loads(k("get", "cm", "goes", "-o", "json"))["data"] == {"a": "1", "b": "1", "c": "1"}
    assert applied(k, "goes", "two", {"c": "1"}).returncode == 0
    assert json.loads(k("get", "cm", "goes", "-o", "json"))["data"] == {"a": "1", "c": "1"}


def test_conflicts_name_every_field_and_manager(k: Kubectl) -> None:
    assert applied(k, "both", "one", {"a": "1", "b": "1"}).returncode == 0
    refused = applied(k, "both", "two", {"a": "2", "b": "2"})
    assert refused.returncode == 1
    assert 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b' in refused.stderr
    assert applied(k, "both", "two", {"a": "2", "b": "2"}, "--force-conflicts").returncode == 0
    obj = json.loads(k("get", "cm", "both", "-o", "json", "--show-managed-fields"))
    assert [entry["manager"] for entry in managers(obj)] == ["two"]


def test_update_takes_fields_and_apply_respects_it(k: Kubectl) -> None:
    assert applied(k, "taken", "one", {"a": "1"}).returncode == 0
    k("patch", "cm", "taken", "--type=merge", "-p", '{"data":{"a":"9"}}')
    refused = applied(k, "taken", "one", {"a": "1"})
    assert 'conflict with "kubectl-patch" using v1' in refused.stderr
    assert applied(k, "taken", "one", {"a": "9"}).returncode == 0, "the same value is no conflict"


def test_same_configuration_again_changes_nothing(k: Kubectl) -> None:
    assert applied(k, "still", "one", {"a": "1"}).returncode == 0
    before = json.loads(k("get", "cm", "still", "-o", "json"))["metadata"]["resourceVersion"]
    assert applied(k, "still", "one", {"a": "1"}).returncode == 0
    assert json.loads(k("get", "cm", "still", "-o", "json"))["metadata"]["resourceVersion"] == before


SERVICE = """apiVersion: v1
kind: Service
metadata: {name: ports}
spec:
  selector: {app: x}
  ports: %s
"""


def test_items_of_a_list_belong_to_those_who_named_them(k: Kubectl) -> None:
    def ports(manager: str, items: list[dict[str, Any]]) -> None:
        text = SERVICE % json.dumps(items)
        k("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=text)

    def numbers() -> list[int]:
        return [port["port"] for port in json.loads(k("get", "svc", "ports", "-o", "json"))["spec"]["ports"]]

    web, metrics = {"name": "web", "port": 80}, {"name": "metrics", "port": 9090}
    ports("app", [web])
    ports("operator", [metrics])
    assert sorted(numbers()) == [80, 9090]
    ports("operator", [metrics | {"targetPort": 9091}])
    assert sorted(numbers()) == [80, 9090]
    ports("app", [web | {"port": 8080}])
    assert sorted(numbers()) == [8080, 9090]


def test_configuration_that_fits_no_schema_is_refused(k: Kubectl) -> None:
    text = SERVICE % '[{"port": "eighty"}]'
    done = k.run("apply", "--server-side", "--validate=false", "-f", "-", stdin=text)
    assert done.returncode == 1
    assert ".spec.ports[0].port: expected numeric (int or float), got string" in done.stderr
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatum: {}\n"
    done = k.run("apply", "--server-side", "--validate=false", "-f", "-", stdin=text)
    assert ".datum: field not declared in schema" in done.stderr


def test_python_client_applies_and_must_name_itself(kubectl: Kubectl) -> None:
    settings = client.Configuration()
    load: Any = config.load_kube_config
    load(config_file=str(kubectl.kubeconfig), client_configuration=settings)
    core = client.CoreV1Api(client.ApiClient(settings))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "py"}, "data": {"a": "1"}}
    apply = partial(core.patch_namespaced_config_map, "py", "default", body)
    made = apply(field_manager="me", _content_type="application/apply-patch+yaml")
    assert made.data == {"a": "1"}
    assert [entry.manager for entry in made.metadata.managed_fields] == ["me"]
    with pytest.raises(client.ApiException) as refused:
        apply(_content_type="application/apply-patch+yaml")
    assert refused.value.status == 422
    assert "fieldManager: Required value: is required for apply patch" in refused.value.body
    core.api_client.close()
