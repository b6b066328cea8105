"""Volumes, bind mounts and what they hold."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from tests.engine.conftest import Run


def test_named_volume_outlives_its_containers(client: docker.DockerClient, name: str) -> None:
    mounts = {name: {"bind": "/data", "mode": "rw"}}
    client.containers.run("busybox", ["sh", "-c", "echo kept > /data/f"], volumes=mounts, remove=True)
    try:
        assert client.containers.run("busybox", "cat /data/f", volumes=mounts, remove=True) == b"kept\n"
        read_only = {name: {"bind": "/data", "mode": "ro"}}
        with pytest.raises(docker.errors.ContainerError, match="Read-only"):
            client.containers.run("busybox", ["sh", "-c", "echo x > /data/f"], volumes=read_only, remove=True)
    finally:
        client.volumes.get(name).remove()


def test_new_volume_begins_with_the_images_files(client: docker.DockerClient, name: str) -> None:
    mounts = {name: {"bind": "/etc", "mode": "rw"}}
    try:
        out = client.containers.run("busybox", "cat /etc/passwd", volumes=mounts, remove=True)
        assert b"root:" in out
    finally:
        client.volumes.get(name).remove()


def test_volume_in_use_cannot_be_removed(run: Run, client: docker.DockerClient, name: str) -> None:
    container = run("sleep 60", volumes={name: {"bind": "/data", "mode": "rw"}})
    volume = client.volumes.get(name)
    with pytest.raises(docker.errors.APIError, match="volume is in use") as failure:
        volume.remove()
    assert failure.value.status_code == 409
    container.remove(force=True)
    volume.remove()
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get(name)


def test_anonymous_volume_goes_with_its_container_when_asked(run: Run, client: docker.DockerClient) -> None:
    container = run("true", volumes=["/anonymous"])
    container.wait()
    container.reload()
    (mount,) = container.attrs["Mounts"]
    assert mount["Destination"] == "/anonymous"
    client.volumes.get(mount["Name"])
    container.remove(v=True)
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get(mount["Name"])


def test_host_directory_is_shared_both_ways(embedded_engine: str, tmp_path: Path) -> None:
    # Ours only: a real engine may run on another machine, or see other directories.
    (tmp_path / "in").write_text("from outside\n")
    client = docker.DockerClient(base_url=embedded_engine)
    try:
        out = client.containers.run(
            "busybox",
            ["sh", "-c", "cat /shared/in; echo from inside > /shared/out"],
            volumes={str(tmp_path): {"bind": "/shared", "mode": "rw"}},
            remove=True,
        )
    finally:
        client.close()
    assert out == b"from outside\n"
    assert (tmp_path / "out").read_text() == "from inside\n"


def test_volume_list_is_filtered(client: docker.DockerClient, name: str) -> None:
    volume = client.volumes.create(name, labels={"team": name})
    try:
        assert [v.name for v in client.volumes.list(filters={"label": f"team={name}"})] == [name]
        assert [v.name for v in client.volumes.list(filters={"name": name, "dangling": True})] == [name]
        assert client.volumes.list(filters={"name": name, "dangling": False}) == []
    finally:
        volume.remove()
