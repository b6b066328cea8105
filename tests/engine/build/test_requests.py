"""What a client may ask of a build beside its files."""

import importlib
import io
import json
from typing import Any

import docker
import pytest
from docker.errors import BuildError

from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.served import Served
from tests.engine.build.web import serving

BUSYBOX = "FROM busybox\n"


def build(client: docker.DockerClient, text: str, files: Any = (), **options: Any) -> tuple[Any, str]:
    return build_archive(client, archive({**dict(files), "Dockerfile": BUSYBOX + text}), **options)


def post(client: docker.DockerClient, context: bytes = b"", **query: str) -> Any:
    """The bare request, for what the SDK doesn't send."""
    url = client.api._url("/build")
    return client.api.post(url, data=context, params=query, headers={"Content-Type": "application/tar"})


def last(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return json.loads(response.text.splitlines()[-1])


def test_cache_from_takes_steps_of_the_named_image_only(client: docker.DockerClient) -> None:
    text = "LABEL test=cache-from\nRUN echo a > /a\nRUN echo b > /b\n"
    build(client, text, tag="cached-from:1")
    assert build(client, text, cache_from=["cached-from:1"])[1].count("Using cache") == 3
    assert build(client, text, cache_from=["busybox"])[1].count("Using cache") == 0
    assert build(client, text, cache_from=["nosuch:1"])[1].count("Using cache") == 0
    changed = build(client, text.replace("echo b", "echo c"), cache_from=["cached-from:1"])
    assert changed[1].count("Using cache") == 2


def test_cache_from_an_image_that_came_as_an_archive(client: docker.DockerClient) -> None:
    text = "LABEL test=loaded\nCOPY a /a\nRUN cat /a > /b\n"
    image, _ = build(client, text, {"a": "1"}, tag="loaded-from:1")
    saved = b"".join(image.save(named=True))
    client.images.remove("loaded-from:1", force=True)
    client.images.prune(filters={"dangling": True})
    client.images.load(saved)
    again, log = build(client, text, {"a": "1"}, cache_from=["loaded-from:1"])
    assert log.count("Using cache") == 3
    assert again.id == image.id


def test_pull_makes_the_stand_in_or_says_why_not(client: docker.DockerClient) -> None:
    build(client, "LABEL x=y\n", tag="only-here:1", pull=True)
    with pytest.raises(BuildError, match=r'Get "https://registry-1\.docker\.io/v2/": '):
        build_archive(client, archive({"Dockerfile": "FROM only-here:1\n"}), pull=True)
    build_archive(client, archive({"Dockerfile": "FROM only-here:1\n"}))


def test_squash_and_security_options_are_refused(client: docker.DockerClient) -> None:
    context = archive({"Dockerfile": BUSYBOX})
    refused = post(client, context, squash="1")
    assert refused.status_code == 400
    assert refused.json() == {"message": "squash is only supported with experimental mode"}
    assert post(client, context, securityopt='["seccomp=unconfined"]').status_code == 400


def test_limits_are_taken(client: docker.DockerClient) -> None:
    build(
        client,
        "RUN echo limited\n",
        container_limits={"memory": 64 << 20, "memswap": -1, "cpushares": 512, "cpusetcpus": "0"},
        shmsize=32 << 20,
        nocache=True,
    )
    assert post(client, archive({"Dockerfile": BUSYBOX}), memory="much").status_code == 500


def test_size_of_shared_memory(served: Served, client: docker.DockerClient) -> None:
    if not served.runtime.driver.traits.overlay:
        pytest.skip("this driver has no file systems of its own")
    _, log = build(client, "RUN df -k /dev/shm | tail -n 1\n", shmsize=32 << 20)
    assert str(32 << 10) in log


def test_hosts_and_network(client: docker.DockerClient) -> None:
    _, log = build(client, "RUN cat /etc/hosts\n", extra_hosts={"db": "10.0.0.9"}, network_mode="none")
    assert "10.0.0.9\tdb\n" in log


def test_steps_keep_their_containers_words(client: docker.DockerClient) -> None:
    assert "Removed intermediate" not in build(client, "RUN echo 1\n", nocache=True, rm=False)[1]
    with pytest.raises(BuildError) as caught:
        build(client, "RUN false\n", forcerm=True)
    assert "Removed intermediate" in "".join(line.get("stream", "") for line in caught.value.build_log)


def test_context_of_a_url(client: docker.DockerClient) -> None:
    context = archive({"Dockerfile": BUSYBOX + "COPY a /a\n", "a": "1"})
    with serving({"/context.tar": context, "/Dockerfile": b"FROM busybox\nLABEL by=url\n"}) as url:
        assert "Successfully built" in last(post(client, remote=f"{url}/context.tar"))["stream"]
        assert "Successfully tagged" in last(post(client, remote=f"{url}/Dockerfile", t="by-url:1"))["stream"]
        missing = post(client, remote=f"{url}/nosuch")
    assert client.images.get("by-url:1").labels["by"] == "url"
    assert missing.status_code == 500
    assert missing.json()["message"] == (
        f"error downloading remote context {url}/nosuch: "
        f"failed to GET {url}/nosuch with status 404 Not Found: no such page"
    )
    assert post(client, remote="git@example.com:a/b.git").status_code == 400


@pytest.mark.parametrize("pack", ["gzip", "bz2", "lzma"])
def test_context_may_be_packed(client: docker.DockerClient, pack: str) -> None:
    context = archive({"Dockerfile": BUSYBOX + "COPY a /a\n", "a": "1"})
    packed = importlib.import_module(pack).compress(context)
    assert "Successfully built" in last(post(client, packed))["stream"]


def test_automatic_arguments(client: docker.DockerClient) -> None:
    text = "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETOS\nRUN echo =$TARGETOS=$TARGETARCH=\n"
    _, log = build_archive(client, archive({"Dockerfile": text}))
    assert "\n=linux==\n" in log


def test_base_from_a_registry_that_nobody_runs(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError, match="connection refused"):
        build_archive(client, archive({"Dockerfile": "FROM localhost:1/team/app:1\n"}))
    with pytest.raises(BuildError, match=r"invalid from flag value localhost:1/x: Get .*connection refused"):
        build(client, "COPY --from=localhost:1/x /a /a\n")


def test_dockerfile_object(client: docker.DockerClient) -> None:
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nLABEL by=object\n"))
    assert image.labels["by"] == "object"
