"""What a container is given: environment, volumes, command, user."""

from __future__ import annotations

import os

import pytest

from dockyard.cluster.node.env import expand
from dockyard.cluster.store import Manifest
from tests.cluster.fakes import FakeProcess
from tests.cluster.harness import FakeCluster, pod


def environment(cluster: FakeCluster) -> dict[str, str]:
    return dict(cluster.runtime.started[-1].process.env)


def waiting(cluster: FakeCluster, name: str = "web") -> Manifest:
    found: Manifest = cluster.pod(name)["status"]["containerStatuses"][0]["state"]["waiting"]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A $", "$A $"),
        ("a$$b", "a$b"),
        ("$(A", "$(A"),
    ],
)
def test_references_are_expanded_as_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


async def test_the_environment_comes_from_all_sources_and_the_last_one_wins(cluster: FakeCluster) -> None:
    api = cluster.api
    api.create(
        "ConfigMap", {"metadata": {"name": "conf", "namespace": "default"}, "data": {"A": "cm", "B": "cm"}}
    )
    api.create(
        "Secret", {"metadata": {"name": "key", "namespace": "default"}, "stringData": {"TOKEN": "s3cret"}}
    )
    ports = [{"name": "http", "port": 80}]
    service = api.create(
        "Service", {"metadata": {"name": "my-db", "namespace": "default"}, "spec": {"ports": ports}}
    )
    env = [
        {"name": "B", "value": "own-$(A)"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "TOKEN"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "none", "optional": True}}},
    ]
    made = pod("web", env=env, envFrom=[{"prefix": "P_", "configMapRef": {"name": "conf"}}])
    made["spec"]["containers"][0]["envFrom"].append({"configMapRef": {"name": "conf"}})
    made["spec"]["containers"][0]["resources"] = {"limits": {"memory": "256Mi"}}
    made["metadata"]["labels"] = {"app": "shop"}
    api.create("Pod", made)
    await cluster.settle()
    found = environment(cluster)
    assert found["P_A"] == found["A"] == "cm"
    assert found["B"] == "own-cm"
    assert found["TOKEN"] == "s3cret"
    assert found["IP"] == cluster.pod("web")["status"]["podIP"]
    assert found["LABEL"] == "shop"
    assert found["MEM"] == "256"
    assert "NO" not in found
    assert found["MY_DB_SERVICE_HOST"] == service["spec"]["clusterIP"]
    assert found["MY_DB_SERVICE_PORT_HTTP"] == "80"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert cluster.runtime.started[-1].limits.memory == 256 << 20


async def test_a_missing_config_map_is_waited_for_in_the_recorded_words(cluster: FakeCluster) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "nope", "key": "a"}}}]
    cluster.api.create("Pod", pod("web", env=env))
    await cluster.advance(1)
    assert waiting(cluster) == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "nope" not found',
    }
    assert ("Failed", 'Error: configmap "nope" not found') in cluster.events("web")

    cluster.api.create(
        "ConfigMap", {"metadata": {"name": "nope", "namespace": "default"}, "data": {"a": "1"}}
    )
    await cluster.advance(15)
    assert environment(cluster)["A"] == "1"


async def test_a_missing_volume_keeps_the_pod_from_starting(cluster: FakeCluster) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "nope"}}]
    cluster.api.create("Pod", pod("web", spec={"volumes": volumes}))
    await cluster.advance(4)
    assert waiting(cluster) == {"reason": "ContainerCreating"}
    text = 'MountVolume.SetUp failed for volume "v" : secret "nope" not found'
    assert cluster.events("web").count(("FailedMount", text)) == 1
    event = next(e for e in cluster.api.list("Event", "default") if e["reason"] == "FailedMount")
    assert event["count"] == 4  # at 0, 0.5, 1.5 and 3.5 s

    cluster.api.create("Secret", {"metadata": {"name": "nope", "namespace": "default"}})
    await cluster.advance(10)
    assert cluster.pod("web")["status"]["phase"] == "Running"


async def test_a_config_map_volume_follows_its_object_in_one_step(cluster: FakeCluster) -> None:
    conf = {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a": "1", "b": "1"}}
    cluster.api.create("ConfigMap", conf)
    spec = {"volumes": [{"name": "v", "configMap": {"name": "conf"}}]}
    mounts = [
        {"name": "v", "mountPath": "/conf"},
        {"name": "v", "mountPath": "/one", "subPath": "a"},
    ]
    cluster.api.create("Pod", pod("web", spec=spec, volumeMounts=mounts))
    await cluster.settle()
    found = {mount.target: mount.source for mount in cluster.runtime.started[-1].mounts}
    directory, single = found["/conf"], found["/one"]
    assert directory is not None
    assert single is not None
    assert (directory / "a").read_text() == single.read_text() == "1"
    assert os.readlink(directory / "a") == "..data/a"

    cluster.api.update("ConfigMap", conf | {"data": {"a": "2"}})
    await cluster.advance(61)
    assert (directory / "a").read_text() == "2"
    assert not (directory / "b").exists()
    assert single.read_text() == "1", "a subPath doesn't follow its volume, which has dropped that version"


async def test_a_container_that_starts_again_finds_what_the_objects_say_then(cluster: FakeCluster) -> None:
    conf = {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a": "1"}}
    cluster.api.create("ConfigMap", conf)

    def ends(process: FakeProcess) -> None:
        cluster.clock.call_later(30, lambda: process.end(1))

    cluster.runtime.programs["serve"] = ends
    spec = {"volumes": [{"name": "v", "configMap": {"name": "conf"}}]}
    reference = {"configMapKeyRef": {"name": "conf", "key": "a"}}
    mounts = [
        {"name": "v", "mountPath": "/conf"},
        {"name": "v", "mountPath": "/one", "subPath": "a"},
    ]
    env = [{"name": "A", "valueFrom": reference}]
    cluster.api.create("Pod", pod("web", spec=spec, volumeMounts=mounts, env=env))
    await cluster.settle()
    cluster.api.update("ConfigMap", conf | {"data": {"a": "2"}})
    await cluster.advance(31)

    first, again = cluster.runtime.started
    assert (first.process.env["A"], again.process.env["A"]) == ("1", "2")
    found = {mount.target: mount.source for mount in again.mounts}
    directory, single = found["/conf"], found["/one"]
    assert directory is not None
    assert single is not None
    assert (directory / "a").read_text() == single.read_text() == "2"


async def test_command_and_args_replace_what_the_image_says(cluster: FakeCluster) -> None:
    cluster.api.create(
        "Pod",
        pod(
            "image",
            image="registry.k8s.io/pause:3.10",
            command=None,
            args=["--x", "$(KUBERNETES_SERVICE_PORT)"],
        ),
    )
    await cluster.settle()
    assert cluster.runtime.started[-1].process.argv == ("/pause", "--x", "443")


@pytest.mark.parametrize(
    ("security", "message"),
    [
        ({"runAsNonRoot": True}, "container has runAsNonRoot and image will run as root"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "container's runAsUser breaks non-root policy"),
    ],
)
async def test_root_is_refused_where_it_may_not_be(
    cluster: FakeCluster, security: Manifest, message: str
) -> None:
    cluster.api.create("Pod", pod("web", securityContext=security))
    await cluster.advance(1)
    uid = cluster.pod("web")["metadata"]["uid"]
    assert waiting(cluster)["message"] == f'{message} (pod: "web_default({uid})", container: main)'


async def test_the_security_context_reaches_the_runtime(cluster: FakeCluster) -> None:
    security = {
        "runAsUser": 1000,
        "runAsGroup": 2000,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    cluster.api.create("Pod", pod("web", securityContext=security))
    await cluster.settle()
    spec = cluster.runtime.started[-1]
    assert (spec.process.user, spec.read_only, spec.cap_drop) == ("1000:2000", True, ("ALL",))
    user = cluster.pod("web")["status"]["containerStatuses"][0]["user"]
    assert user["linux"]["uid"] == 1000
