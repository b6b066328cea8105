"""Pull, push and login against a real registry, with the SDK and the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.engine.conftest import Cli
from tests.engine.registries import RegistryProcess, program_of_registry, sha256

pytestmark = pytest.mark.skipif(program_of_registry() is None, reason="docker-registry is not installed")

_SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"
_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    process = RegistryProcess(tmp_path_factory.mktemp("registry"))
    yield process
    process.close()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    process = RegistryProcess(tmp_path_factory.mktemp("locked"), password=True)
    yield process
    process.close()


@pytest.fixture
def made(client: docker.DockerClient, name: str) -> Iterator[str]:
    """An image of one layer of its own on busybox; every name it gets is removed."""
    text = f"FROM busybox\nRUN echo {name} > /made\nCMD cat /made\n"
    image, _ = client.images.build(fileobj=io.BytesIO(text.encode()), tag=f"{name}:1", rm=True)
    yield f"{name}:1"
    client.images.remove(str(image.id), force=True)


def push(client: docker.DockerClient, made: str, place: str, **options: object) -> list[dict[str, Any]]:
    repository, _, tag = place.rpartition(":")
    assert client.images.get(made).tag(repository, tag)
    return list(client.images.push(repository, tag=tag, stream=True, decode=True, **options))


def statuses(messages: list[dict[str, Any]]) -> list[object]:
    return [message.get("status", message.get("error")) for message in messages]


def test_pushed_image_comes_back_with_the_same_id_and_runs(
    client: docker.DockerClient, registry: RegistryProcess, made: str, name: str
) -> None:
    place = f"{registry.host}/course/{name}"
    identifier = client.images.get(made).id
    said = push(client, made, f"{place}:1")
    digest = said[-1]["aux"]["Digest"]
    assert said[0] == {"status": f"The push refers to repository [{place}]"}
    assert {"Preparing", "Pushed"} <= set(statuses(said))
    assert said[-2]["status"] == f"1: digest: {digest} size: {said[-1]['aux']['Size']}"
    assert client.images.get(f"{place}:1").attrs["RepoDigests"] == [f"{place}@{digest}"]
    status, body = registry.ask("GET", f"/v2/course/{name}/manifests/1", kind=_SCHEMA_2)
    assert (status, sha256(body), len(body)) == (200, digest, said[-1]["aux"]["Size"])

    client.images.remove(identifier, force=True)
    pulled = list(client.api.pull(place, tag="1", stream=True, decode=True))
    assert pulled[0] == {"status": f"Pulling from course/{name}", "id": "1"}
    assert statuses(pulled)[-2:] == [
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {place}:1",
    ]
    assert "Pull complete" in statuses(pulled)
    again = client.images.pull(place, "1")
    assert (again.id, again.tags) == (identifier, [f"{place}:1"])
    assert client.containers.run(f"{place}:1", remove=True) == f"{name}\n".encode()
    assert client.images.pull(f"{place}@{digest}").id == identifier


def test_second_push_and_pull_move_nothing(
    client: docker.DockerClient, registry: RegistryProcess, made: str, name: str
) -> None:
    place = f"{registry.host}/course/{name}:1"
    push(client, made, place)
    again = push(client, made, place)
    assert "Layer already exists" in statuses(again)
    assert "Pushed" not in statuses(again)
    pulled = statuses(list(client.api.pull(place, stream=True, decode=True)))
    assert pulled[-1] == f"Status: Image is up to date for {place}"
    assert len(pulled) == 3


def test_layer_of_another_repository_is_mounted(
    client: docker.DockerClient, registry: RegistryProcess, made: str, name: str
) -> None:
    push(client, made, f"{registry.host}/one/{name}:1")
    said = push(client, made, f"{registry.host}/two/{name}:1")
    assert f"Mounted from one/{name}" in statuses(said)
    assert "Pushed" not in statuses(said)


def test_manifest_list_gives_the_image_of_this_machine(
    client: docker.DockerClient, registry: RegistryProcess, made: str, name: str
) -> None:
    place = f"{registry.host}/course/{name}"
    aux = push(client, made, f"{place}:one")[-1]["aux"]
    architecture = client.images.get(made).attrs["Architecture"]
    entry = {"mediaType": _SCHEMA_2, "digest": aux["Digest"], "size": aux["Size"]}
    entry["platform"] = {"os": "linux", "architecture": architecture}
    document = {"schemaVersion": 2, "mediaType": _LIST, "manifests": [entry]}
    body = json.dumps(document).encode()
    assert registry.ask("PUT", f"/v2/course/{name}/manifests/many", body, _LIST)[0] == 201
    image = client.images.pull(place, "many")
    assert image.id == client.images.get(made).id
    assert f"{place}@{sha256(body)}" in image.attrs["RepoDigests"]
    shown = client.images.get_registry_data(f"{place}:many").attrs
    assert shown["Platforms"] == [{"architecture": architecture, "os": "linux"}]
    assert shown["Descriptor"] == {"mediaType": _LIST, "digest": sha256(body), "size": len(body)}
    options = {"stream": True, "decode": True, "platform": "linux/s390x"}
    said = list(client.api.pull(place, tag="many", **options))
    assert statuses(said)[0] == "Pulling from course/" + name
    assert str(said[1]["error"]).startswith(
        "no matching manifest for linux/s390x in the manifest list entries"
    )


def test_tag_and_repository_that_are_not_there_are_said_by_name(
    client: docker.DockerClient, registry: RegistryProcess, made: str, name: str
) -> None:
    place = f"{registry.host}/course/{name}"
    push(client, made, f"{place}:1")
    for wanted, words in ((place, "manifest unknown"), (f"{registry.host}/none/{name}", "unknown")):
        with pytest.raises(docker.errors.NotFound, match=words) as failure:
            client.images.pull(wanted, "nosuch")
        assert f"{wanted}:nosuch not found" in failure.value.explanation
    said = list(client.images.push("nosuch-local", stream=True, decode=True))
    assert said[-1]["error"] == "An image does not exist locally with the tag: nosuch-local"


def test_locked_registry_wants_the_right_password(
    client: docker.DockerClient, locked: RegistryProcess, made: str, name: str
) -> None:
    place = f"{locked.host}/course/{name}"
    assert "no basic auth credentials" in str(push(client, made, f"{place}:1")[-1]["error"])
    with pytest.raises(docker.errors.APIError, match="no basic auth credentials") as failure:
        client.images.pull(place, "1")
    assert failure.value.status_code == 500
    right, wrong = ({"username": "learner", "password": word} for word in ("right", "wrong"))
    assert "unauthorized" in str(push(client, made, f"{place}:1", auth_config=wrong)[-1]["error"])
    digest = push(client, made, f"{place}:1", auth_config=right)[-1]["aux"]["Digest"]
    assert client.images.pull(place, "1", auth_config=right).id == client.images.get(made).id
    assert client.images.get_registry_data(f"{place}:1", auth_config=right).id == digest


def test_login_tries_the_password(client: docker.DockerClient, locked: RegistryProcess) -> None:
    assert client.login("learner", "right", registry=locked.host, reauth=True)["Status"] == "Login Succeeded"
    with pytest.raises(docker.errors.APIError, match="401 Unauthorized") as failure:
        client.login("learner", "wrong", registry=locked.host, reauth=True)
    assert failure.value.status_code == 500
    with pytest.raises(docker.errors.APIError, match="connection refused"):
        client.login("learner", "right", registry="localhost:1", reauth=True)


def test_command_line_logs_in_pushes_and_pulls(
    cli: Cli, locked: RegistryProcess, made: str, name: str
) -> None:
    place = f"{locked.host}/cli/{name}:1"
    assert cli("tag", made, place).returncode == 0
    assert "no basic auth credentials" in cli("push", place).stderr
    signed = cli("login", "-u", "learner", "--password-stdin", locked.host, stdin="right")
    assert "Login Succeeded" in signed.stdout, signed.stderr
    pushed = cli("push", place)
    assert (pushed.returncode, pushed.stderr) == (0, "")
    assert ": Pushed\n" in pushed.stdout
    assert cli("rmi", "-f", made, place).returncode == 0
    pulled = cli("pull", place)
    assert pulled.stdout.endswith(f"Status: Downloaded newer image for {place}\n{place}\n"), pulled.stderr
    assert "Pull complete" in pulled.stdout
    assert place.rpartition(":")[0] in cli("images", "--digests").stdout
    assert cli("tag", place, made).returncode == 0


def test_registry_that_is_not_there_is_said_at_once(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.APIError, match=r'Get "http://localhost:1/v2/": dial tcp') as failure:
        client.images.pull("localhost:1/app", "1")
    assert failure.value.status_code == 500
    assert "connection refused" in failure.value.explanation
