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


def test_filters_choose_images(client: docker.DockerClient, name: str) -> None:
    first = build(client, f"{name}:1", f"FROM busybox\nLABEL only={name} n=1\n")
    second = build(client, f"{name}:2", f"FROM busybox\nLABEL only={name} n=2\n")

    def found(**filters: object) -> list[str | None]:
        wanted = {"label": f"only={name}", **filters}
        return sorted(str(image.id) for image in client.images.list(filters=wanted))

    both = sorted([str(first.id), str(second.id)])
    try:
        assert found() == both
        assert found(label=[f"only={name}", "n=2"]) == [second.id]
        assert found(reference=f"{name}:?") == both
        assert found(reference=f"{name}:2") == [second.id]
        assert found(reference="t-*") == both
        assert found(since="busybox:latest") == both
        assert found(before=str(first.id)) == []
        assert found(until="1h") == []
        assert found(dangling=False) == both
        assert found(dangling=True) == []
        with pytest.raises(docker.errors.APIError, match="invalid filter 'bogus'"):
            client.images.list(filters={"bogus": "x"})
        client.images.remove(f"{name}:1")
        build(client, f"{name}:2", f"FROM busybox\nLABEL only={name} n=3\n")
        assert found(dangling=True) == [second.id]
        pruned = client.images.prune(filters={"label": f"only={name}"})
        assert {"Deleted": second.id} in pruned["ImagesDeleted"]
        assert found(dangling=True) == []
    finally:
        client.images.remove(f"{name}:2", force=True)


def test_image_that_others_are_built_on_stays_until_they_go(client: docker.DockerClient, name: str) -> None:
    base = build(client, f"{name}:base", f"FROM busybox\nRUN echo {name} > /a\n")
    top = build(client, f"{name}:top", f"FROM {name}:base\nRUN echo b > /b\n")
    with pytest.raises(docker.errors.APIError, match="image has dependent child images") as failure:
        client.images.remove(base.id, force=True)
    assert failure.value.status_code == 409
    assert client.api.remove_image(f"{name}:base") == [{"Untagged": f"{name}:base"}]
    report = client.api.remove_image(f"{name}:top")
    assert report[:2] == [{"Untagged": f"{name}:top"}, {"Deleted": top.id}]
    assert {"Deleted": base.id} in report
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get(base.id)


def test_image_in_use_is_only_untagged(client: docker.DockerClient, run: Run, name: str) -> None:
    image = build(client, f"{name}:1", f"FROM busybox\nLABEL only={name}\n")
    container = run("sleep 60", image=f"{name}:1")
    client.images.remove(f"{name}:1", force=True)
    with pytest.raises(docker.errors.APIError, match="image is being used by running container") as failure:
        client.images.remove(image.id, force=True)
    assert failure.value.status_code == 409
    assert client.images.get(image.id).tags == []
    container.stop(timeout=0)
    with pytest.raises(docker.errors.APIError, match="image is being used by stopped container"):
        client.images.remove(image.id)
    container.remove()
    client.images.remove(image.id)


def test_prune_of_all_spares_what_containers_use(client: docker.DockerClient, run: Run, name: str) -> None:
    used = build(client, f"{name}:used", f"FROM busybox\nLABEL only={name} used=1\n")
    spare = build(client, f"{name}:spare", f"FROM busybox\nLABEL only={name}\n")
    container = run("sleep 60", image=f"{name}:used")
    report = client.images.prune(filters={"dangling": False, "label": f"only={name}"})["ImagesDeleted"]
    assert {"Untagged": f"{name}:spare"} in report
    assert {"Deleted": spare.id} in report
    assert client.images.get(f"{name}:used").id == used.id
    container.remove(force=True)
    client.images.remove(f"{name}:used")
