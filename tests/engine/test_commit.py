"""`docker commit`: an image of what a container has written."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from tests.deadline import eventually
from tests.engine.conftest import Run


@pytest.fixture
def container(run: Run) -> Container:
    """A running container that has written something and deleted something."""
    script = "mkdir /made; echo here > /made/file; rm -f /etc/profile; echo ready; exec sleep 600"
    found = run(["sh", "-c", script], environment={"A": "1"}, labels={"own": "yes"}, hostname="box")
    eventually(lambda: b"ready" in found.logs(), "its files")
    return found


@pytest.fixture
def repository(client: docker.DockerClient, name: str) -> Iterator[str]:
    """A name for images; they are removed after the test."""
    yield name
    for image in client.images.list(name):
        client.images.remove(image.id, force=True)


def test_committed_image_has_the_files_and_the_configuration(
    client: docker.DockerClient, container: Container, repository: str
) -> None:
    image = container.commit(repository, "1", message="why", author="me")
    assert image.tags == [f"{repository}:1"]
    assert (image.attrs["Comment"], image.attrs["Author"]) == ("why", "me")
    config = image.attrs["Config"]
    assert config["Cmd"][:2] == ["sh", "-c"]
    assert "A=1" in config["Env"]
    assert config["Labels"]["own"] == "yes"
    newest = image.history()[0]
    assert newest["CreatedBy"].startswith("sh -c mkdir")
    assert newest["Comment"] == "why"
    script = "cat /made/file; test -e /etc/profile || echo gone"
    assert client.containers.run(image.id, ["sh", "-c", script], remove=True) == b"here\ngone\n"
    container.reload()
    assert container.status == "running"  # it was paused, and goes on


def test_container_lives_on_unchanged(
    client: docker.DockerClient, container: Container, repository: str
) -> None:
    container.commit(repository)
    assert container.exec_run("cat /made/file").output == b"here\n"
    container.exec_run("sh -c 'echo more > /made/more'")
    image = container.commit(repository)
    assert client.containers.run(image.id, "ls /made", remove=True) == b"file\nmore\n"


def test_stopped_container_can_be_committed(
    client: docker.DockerClient, container: Container, repository: str
) -> None:
    container.stop(timeout=0)
    image = container.commit(repository)
    assert client.containers.run(image.id, "cat /made/file", remove=True) == b"here\n"


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ('CMD ["a", "b"]', "Cmd", ["a", "b"]),
        ("CMD echo hi", "Cmd", ["/bin/sh", "-c", "echo hi"]),
        ('ENTRYPOINT ["e"]', "Entrypoint", ["e"]),
        ("USER 5", "User", "5"),
        ("WORKDIR /w", "WorkingDir", "/w"),
        ("EXPOSE 90", "ExposedPorts", {"90/tcp": {}}),
        ("VOLUME /v", "Volumes", {"/v": {}}),
        ("ONBUILD RUN x", "OnBuild", ["RUN x"]),
    ],
)
def test_change_alters_the_configuration(
    container: Container, repository: str, change: str, key: str, value: object
) -> None:
    assert container.commit(repository, changes=[change]).attrs["Config"][key] == value


def test_variables_and_labels_are_added_to_the_containers_own(container: Container, repository: str) -> None:
    config = container.commit(repository, changes=["ENV A=2 B=$A", "LABEL more=yes"]).attrs["Config"]
    assert {"A=2", "B=1"} <= set(config["Env"])
    assert {"own": "yes", "more": "yes"}.items() <= config["Labels"].items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"changes": ["BOGUS x"]}, "BOGUS is not a valid change command"),
        ({"changes": ["RUN x"]}, "RUN is not a valid change command"),
        ({"changes": ["ENV"]}, "ENV requires at least one argument"),
        ({"changes": ["EXPOSE x"]}, "Invalid containerPort: x"),
        (
            {"repository": "Bad Repo"},
            "invalid reference format: repository name (library/Bad Repo) must be lowercase",
        ),
        ({"repository": "a", "tag": "b c"}, "invalid tag format"),
        ({"repository": "a@sha256:" + "0" * 64}, "cannot import digest reference"),
    ],
)
def test_commit_that_makes_no_sense_is_refused(
    container: Container, options: dict[str, object], message: str
) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        container.commit(**options)
    assert failure.value.status_code == 400
    assert failure.value.explanation == message
