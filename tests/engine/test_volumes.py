"""Volumes, bind mounts and what they hold."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from tests.engine.conftest import Run, needs


def test_named_volume_outlives_its_containers(client: docker.DockerClient, name: str) -> None:
    mounts = {name: {"bind": "/data", "mode": "rw"}}
    client.containers.run("busybox", ["sh", "-c", "echo kept > /data/f"], volumes=mounts, remove=True)
    try:
        assert client.containers.run("busybox", "cat /data/f", volumes=mounts, remove=True) == b"kept\n"
        needs(client, "read-only")
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


@pytest.mark.parametrize(
    "docker_host", ["embedded"], indirect=True
)  # a real engine may fail at what vanishes
def test_disk_usage_is_told_while_files_come_and_go(run: Run, client: docker.DockerClient, name: str) -> None:
    script = (
        "echo 1234567 > /data/stays; while :; do for i in 1 2 3 4 5 6 7 8; do mkdir -p /data/$i/a /tmp/$i/a;"
    )
    script += " echo x > /data/$i/a/f; echo x > /tmp/$i/a/f; done; rm -r /data/[1-8] /tmp/[1-8]; done"
    container = run(["sh", "-c", script], volumes={name: {"bind": "/data", "mode": "rw"}})
    for _ in range(20):
        volumes = {volume["Name"]: volume["UsageData"] for volume in client.df()["Volumes"]}
        assert volumes[name]["RefCount"] == 1
        client.api.containers(size=True, filters={"id": container.id})
    container.kill()
    container.remove()
    volumes = {volume["Name"]: volume["UsageData"] for volume in client.df()["Volumes"]}
    assert volumes[name]["Size"] >= 8
    client.volumes.get(name).remove()


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


def test_volume_that_shall_not_be_filled_stays_empty(
    run: Run, client: docker.DockerClient, name: str
) -> None:
    mount = docker.types.Mount("/etc/ssl", name, no_copy=True)
    try:
        assert client.containers.run("busybox", "ls /etc/ssl", mounts=[mount], remove=True) == b""
    finally:
        client.volumes.get(name).remove(force=True)


def test_volumes_of_another_container_are_shared(run: Run, client: docker.DockerClient, name: str) -> None:
    owner = run("sleep 60", volumes={name: {"bind": "/data", "mode": "rw"}})
    assert owner.exec_run(["sh", "-c", "echo shared > /data/f"]).exit_code == 0
    try:
        out = client.containers.run("busybox", "cat /data/f", volumes_from=[owner.name], remove=True)
        assert out == b"shared\n"
        needs(client, "read-only")
        with pytest.raises(docker.errors.ContainerError, match="Read-only"):
            client.containers.run(
                "busybox", ["sh", "-c", "echo x > /data/f"], volumes_from=[f"{owner.name}:ro"], remove=True
            )
    finally:
        owner.remove(force=True)
        client.volumes.get(name).remove()


def test_missing_source_is_an_error_for_a_mount_only(client: docker.DockerClient, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(docker.errors.APIError, match="bind source path does not exist") as failure:
        client.containers.create(
            "busybox", "true", mounts=[docker.types.Mount("/d", str(missing), type="bind")]
        )
    assert failure.value.status_code == 400


def test_prune_takes_anonymous_volumes_and_with_all_the_named_ones(embedded_engine: str, name: str) -> None:
    # Ours only: whatever else a shared engine has would go too.
    client = docker.DockerClient(base_url=embedded_engine)
    try:
        client.volumes.create(name, labels={"mine": name})
        only = {"label": [f"mine={name}"]}
        assert client.volumes.prune(filters=only)["VolumesDeleted"] in (None, [])
        assert client.volumes.prune(filters={**only, "all": ["true"]})["VolumesDeleted"] == [name]
    finally:
        client.close()


def test_volume_of_a_host_directory_is_that_directory(
    embedded_engine: str, name: str, tmp_path: Path
) -> None:
    # Ours only: a real engine may see other directories.
    client = docker.DockerClient(base_url=embedded_engine)
    options = {"type": "none", "o": "bind", "device": str(tmp_path)}
    volume = client.volumes.create(name, driver_opts=options)
    mounts = {name: {"bind": "/data", "mode": "rw"}}
    try:
        client.containers.run("busybox", ["sh", "-c", "echo kept > /data/f"], volumes=mounts, remove=True)
        volume.remove()
    finally:
        client.close()
    assert (tmp_path / "f").read_text() == "kept\n"


def test_subpath_of_a_volume_is_mounted_and_none_leads_out(
    run: Run, client: docker.DockerClient, name: str
) -> None:
    if not docker.utils.version_gte(client.version()["ApiVersion"], "1.45"):
        pytest.skip("the engine has no subpaths")
    whole = {name: {"bind": "/data", "mode": "rw"}}
    script = "mkdir /data/part; echo inside > /data/part/f; ln -s /etc /data/out"
    client.containers.run("busybox", ["sh", "-c", script], volumes=whole, remove=True)

    def cat(subpath: str, path: str) -> bytes:
        mount = docker.types.Mount("/part", name, subpath=subpath)
        return bytes(client.containers.run("busybox", f"cat {path}", mounts=[mount], remove=True))

    try:
        assert cat("part", "/part/f") == b"inside\n"
        for wrong in ("missing", "out"):
            with pytest.raises(docker.errors.APIError):
                cat(wrong, "/part/passwd")
    finally:
        for container in client.containers.list(all=True, filters={"volume": name}):
            container.remove(force=True)
        client.volumes.get(name).remove()
