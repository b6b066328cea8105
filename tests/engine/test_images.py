"""Images: found, named, described, removed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import docker
import pytest

from tests.engine.conftest import Run


def build(client: docker.DockerClient, tag: str, text: str) -> docker.models.images.Image:
    return client.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True)[0]


def test_image_is_built_run_described_and_removed(client: docker.DockerClient, name: str) -> None:
    text = 'FROM busybox\nENV A=1\nWORKDIR /srv\nLABEL l=1\nRUN echo made > f\nCMD ["cat", "f"]\n'
    image = build(client, f"{name}:1", text)
    try:
        assert client.containers.run(f"{name}:1", remove=True) == b"made\n"
        config = image.attrs["Config"]
        assert config["WorkingDir"] == "/srv"
        assert config["Labels"]["l"] == "1"
        assert "A=1" in config["Env"]
        assert f"{name}:1" in image.tags
        assert any("echo made" in step["CreatedBy"] for step in image.history())
    finally:
        client.images.remove(f"{name}:1")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get(f"{name}:1")


def test_image_has_as_many_names_as_it_is_given(client: docker.DockerClient, name: str) -> None:
    image = build(client, f"{name}:1", f"FROM busybox\nLABEL only={name}\n")
    assert image.tag(name, "2")
    image.reload()
    assert sorted(image.tags) == [f"{name}:1", f"{name}:2"]
    client.images.remove(f"{name}:2")
    assert client.images.get(f"{name}:1").id == image.id
    assert [i.id for i in client.images.list(filters={"label": f"only={name}"})] == [image.id]
    assert [i.id for i in client.images.list(name)] == [image.id]
    client.images.remove(image.id)
    with pytest.raises(docker.errors.APIError, match="must be lowercase"):
        client.images.get("busybox").tag("Bad_NAME")


def test_image_of_a_container_is_kept(run: Run, client: docker.DockerClient, name: str) -> None:
    build(client, f"{name}:1", f"FROM busybox\nLABEL only={name}\n")
    container = run("sleep 60", image=f"{name}:1")
    with pytest.raises(docker.errors.APIError, match="is using its referenced image") as failure:
        client.images.remove(f"{name}:1")
    assert failure.value.status_code == 409
    container.remove(force=True)
    client.images.remove(f"{name}:1")


def test_failed_build_raises_with_the_steps_exit_code(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.BuildError, match="returned a non-zero code: 3"):
        build(client, "never:1", "FROM busybox\nRUN exit 3\n")


def test_pull_of_an_unknown_image_is_refused_at_once(embedded_engine: str) -> None:
    # Ours only: a real engine may have a network.
    client = docker.DockerClient(base_url=embedded_engine)
    try:
        with pytest.raises(docker.errors.APIError, match=r"registry-1\.docker\.io") as failure:
            client.images.pull("no-such-image", "1")
        assert failure.value.status_code == 500
        assert client.images.pull("busybox", "latest").tags == ["busybox:latest"]
    finally:
        client.close()


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The members of a tar archive by name; what isn't a file is empty."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = ((member.name, tar.extractfile(member)) for member in tar)
        return {name: file.read() if file else b"" for name, file in files}


def test_saved_image_holds_every_layer_and_what_was_deleted(client: docker.DockerClient, name: str) -> None:
    image = build(client, f"{name}:1", "FROM busybox\nRUN echo hush > /secret\nRUN rm /secret\n")
    try:
        archive = unpacked(b"".join(image.save(named=True)))
    finally:
        client.images.remove(f"{name}:1")
    (entry,) = json.loads(archive["manifest.json"])
    assert entry["RepoTags"] == [f"{name}:1"]
    assert f"sha256:{hashlib.sha256(archive[entry['Config']]).hexdigest()}" == image.id
    layers = [archive[path] for path in entry["Layers"]]
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    assert digests == image.attrs["RootFS"]["Layers"]
    assert unpacked(layers[-2])["secret"] == b"hush\n"
    assert list(unpacked(layers[-1])) == [".wh.secret"]


def test_image_that_is_not_there_cannot_be_saved(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.APIError, match="reference does not exist") as failure:
        list(client.api.get_image("nosuch:1"))
    assert failure.value.status_code == 404
