"""Archives of images: saved, loaded, imported; and the ones that are refused."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.engine.conftest import Cli
from tests.engine.registries import sha256


@pytest.fixture
def made(client: docker.DockerClient, name: str) -> Iterator[str]:
    """An image of one small layer; removed under every name."""
    yield imported(client, {"made": name.encode()}, f"{name}:1", 'CMD ["/made"]')
    for image in client.images.list(filters={"reference": f"{name}*:*"}):
        client.images.remove(image.id, force=True)


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in members.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def imported(client: docker.DockerClient, files: dict[str, bytes], reference: str, *changes: str) -> str:
    repository, _, tag = reference.rpartition(":")
    client.api.import_image_from_data(tar(files), repository=repository, tag=tag, changes=list(changes))
    return reference


def load(client: docker.DockerClient, data: bytes) -> str:
    """The last thing that a load says."""
    said = list(client.api.load_image(data))
    return str(said[-1].get("stream") or said[-1]["error"])


def test_saved_image_is_loaded_again_as_what_it_was(client: docker.DockerClient, made: str) -> None:
    image = client.images.get(made)
    data = b"".join(image.save(named=True))
    client.images.remove(image.id, force=True)
    (again,) = client.images.load(data)
    assert (again.id, again.tags) == (image.id, [made])
    assert again.attrs["RootFS"] == image.attrs["RootFS"]
    assert again.attrs["Config"]["Cmd"] == ["/made"]


def test_compressed_and_nameless_archives_are_loaded_too(client: docker.DockerClient, made: str) -> None:
    image = client.images.get(made)
    data = gzip.compress(b"".join(image.save()))
    client.images.remove(image.id, force=True)
    assert load(client, data) == f"Loaded image ID: {image.id}\n"
    client.images.get(image.id).tag(made)


def test_several_images_travel_in_one_archive(
    client: docker.DockerClient, made: str, name: str, cli: Cli, tmp_path: Path
) -> None:
    other = imported(client, {"other": b"x"}, f"{name}:2")
    ids = {reference: client.images.get(reference).id for reference in (made, other)}
    assert cli("save", "-o", str(tmp_path / "both.tar"), made, other).returncode == 0
    manifest = json.loads(unpacked((tmp_path / "both.tar").read_bytes())["manifest.json"])
    assert sorted(entry["RepoTags"] for entry in manifest) == [[made], [other]]
    assert cli("rmi", made, other).returncode == 0
    loaded = cli("load", "-i", str(tmp_path / "both.tar"))
    assert sorted(loaded.stdout.splitlines()) == [f"Loaded image: {made}", f"Loaded image: {other}"]
    assert {reference: client.images.get(reference).id for reference in ids} == ids
    # A bare name means all of its tags.
    assert cli("save", "-o", str(tmp_path / "all.tar"), name).returncode == 0
    assert len(json.loads(unpacked((tmp_path / "all.tar").read_bytes())["manifest.json"])) == 2
    refused = cli("save", "-o", str(tmp_path / "none.tar"), "nosuch")
    assert refused.stderr == "Error response from daemon: No such image: nosuch\n"


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isreg()}
        return {path: file.read() for path, file in files.items() if file is not None}


def test_name_moves_to_the_loaded_image(client: docker.DockerClient, made: str, name: str) -> None:
    data = b"".join(client.images.get(made).save(named=True))
    first = client.images.get(made).id
    other = imported(client, {"other": b"y"}, f"{name}:2")
    client.images.get(other).tag(name, "1")
    said = [message.get("stream") for message in client.api.load_image(data)]
    second = client.images.get(other).id
    assert f"The image {made} already exists, renaming the old one with ID {second} to empty string\n" in said
    assert client.images.get(made).id == first


def docker_archive(
    layers: list[bytes], diff_ids: list[str] | None = None, tags: tuple[str, ...] = (), **more: bytes
) -> bytes:
    """An archive as old Docker versions saved them."""
    config = {"architecture": "amd64", "os": "linux", "config": {}}
    config["rootfs"] = {"type": "layers", "diff_ids": diff_ids or [sha256(layer) for layer in layers]}
    entry = {
        "Config": "config.json",
        "RepoTags": list(tags),
        "Layers": [f"{i}/layer.tar" for i in range(len(layers))],
    }
    members = {f"{i}/layer.tar": layer for i, layer in enumerate(layers)}
    members |= {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps([entry]).encode()}
    return tar(members | more)


def test_archive_of_an_older_docker_is_loaded(client: docker.DockerClient, name: str) -> None:
    layers = [tar({"a": b"1"}), tar({"b": name.encode()})]
    (image,) = client.images.load(docker_archive(layers, tags=(f"{name}:old",)))
    assert image.tags == [f"{name}:old"]
    assert image.attrs["RootFS"]["Layers"] == [sha256(layer) for layer in layers]
    client.images.remove(image.id, force=True)


def test_image_with_the_same_layer_twice_runs(client: docker.DockerClient, name: str) -> None:
    base = b"".join(client.images.get("busybox").save())
    members = unpacked(base)
    (entry,) = json.loads(members["manifest.json"])
    config = json.loads(members[entry["Config"]])
    again, between = tar({"x": b"again"}), tar({"x": b"between", "y": name.encode()})
    config["rootfs"]["diff_ids"] += [sha256(again), sha256(between), sha256(again)]
    config["history"] = []
    manifest = {
        "Config": "config.json",
        "RepoTags": [f"{name}:1"],
        "Layers": [*entry["Layers"], "again.tar", "between.tar", "again.tar"],
    }
    files = {path: members[path] for path in entry["Layers"]}
    files |= {"again.tar": again, "between.tar": between, "config.json": json.dumps(config).encode()}
    client.images.load(tar(files | {"manifest.json": json.dumps([manifest]).encode()}))
    try:
        said = client.containers.run(f"{name}:1", ["cat", "/x", "/y"], remove=True)
        assert said == b"again" + name.encode()
    finally:
        client.images.remove(f"{name}:1", force=True)


_FINE = tar({"fine": b"fine"})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a tar", "unexpected EOF"),
        (b"\x1f\x8b\x08\x00cut", "unexpected EOF"),
        (tar({}), "repositories: no such file or directory"),
        (tar({"manifest.json": b"{"}), "manifest.json"),
        (docker_archive([_FINE], [sha256(b"other")]), "invalid diffID"),
        (docker_archive([_FINE], [sha256(b"1"), sha256(b"2")]), "layers length mismatch: expected 2, got 1"),
        (docker_archive([tar({"../../escaped": b"x"})]), "points out of the layer"),
        (docker_archive([b"x" * 2048]), "not a tar archive"),
        (docker_archive([_FINE], tags=("Bad NAME",)), "invalid reference format"),
    ],
)  # fmt: skip
def test_bad_archive_is_refused_and_nothing_of_it_stays(
    embedded_engine: str, data: bytes, words: str
) -> None:
    client = docker.DockerClient(base_url=embedded_engine, timeout=60)
    try:
        before = {image.id for image in client.images.list(all=True)}
        assert words in load(client, data)
        assert {image.id for image in client.images.list(all=True)} == before
    finally:
        client.close()


def test_oci_layout_is_loaded(embedded_engine: str, name: str) -> None:
    # Ours only: with its classic store, a real engine wants manifest.json.
    client = docker.DockerClient(base_url=embedded_engine, timeout=60)
    layer = gzip.compress(tar({"a": name.encode()}))
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [sha256(gzip.decompress(layer))]}}
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": sha256(config), "size": len(config)},
            "layers": [{"digest": sha256(layer), "size": len(layer)}],
        }
    ).encode()
    annotations = {"org.opencontainers.image.ref.name": f"{name}:oci"}
    index = {"schemaVersion": 2, "manifests": [{"digest": sha256(manifest), "annotations": annotations}]}
    members = {"blobs/" + sha256(blob).replace(":", "/"): blob for blob in (layer, config, manifest)}
    try:
        (image,) = client.images.load(tar(members | {"index.json": json.dumps(index).encode()}))
        assert (image.id, image.tags) == (sha256(config), [f"{name}:oci"])
        client.images.remove(image.id)
    finally:
        client.close()


def test_imported_archive_has_what_was_asked_for(
    client: docker.DockerClient, cli: Cli, made: str, name: str
) -> None:
    history = client.images.get(made).history()
    assert [(step["CreatedBy"], step["Comment"], step["Size"]) for step in history] == [
        ("", "Imported from -", len(name))
    ]
    assert client.images.get(made).attrs["Parent"] == ""
    container = client.containers.create(made)
    try:
        stream, _ = container.get_archive("/made")
        assert unpacked(b"".join(stream))["made"] == name.encode()
    finally:
        container.remove()


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (_FINE, {"changes": ["RUN true"]}, "RUN is not a valid change command"),
        (_FINE, {"repository": "Bad Name"}, "invalid reference format"),
        (gzip.compress(_FINE)[:40], {}, "unexpected EOF"),
    ],
)
def test_bad_import_is_refused(
    client: docker.DockerClient, data: bytes, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(docker.errors.APIError, match=words):
        client.api.import_image_from_data(data, **options)
