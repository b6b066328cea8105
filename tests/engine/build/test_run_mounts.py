"""`RUN --mount`: what is there while a command runs, and is neither lost with it nor part of its layer."""

import threading
from typing import Any

import docker
import pytest
from docker.errors import APIError, BuildError

from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.served import Served


def build(client: docker.DockerClient, text: str, files: Any = (), **options: Any) -> tuple[Any, str]:
    return build_archive(client, archive({**dict(files), "Dockerfile": "FROM busybox\n" + text}), **options)


@pytest.fixture(autouse=True)
def _mounts(served: Served) -> None:
    if served.runtime.driver.traits.name == "none":
        pytest.skip("this driver has no mounts")


def paths(served: Served, image: Any) -> list[str]:
    """Everything in the image's last layer."""
    last = served.runtime.images.get(image.id).layers[-1]
    return [entry.path for entry in served.runtime.images.layers.entries(last)]


COUNT = "echo x >> /var/cache/deep/count; wc -l < /var/cache/deep/count"


def test_cache_persists_over_builds(client: docker.DockerClient) -> None:
    run = f"RUN --mount=type=cache,target=/var/cache/deep,id=persists {COUNT}\n"
    seen = [build(client, run, nocache=True)[1] for _ in range(3)]
    assert [number for text in seen for number in text.splitlines() if number.isdigit()] == ["1", "2", "3"]


def test_cache_is_not_in_the_layer(served: Served, client: docker.DockerClient) -> None:
    run = "RUN --mount=type=cache,target=/var/cache/d/e,id=layer echo x > /var/cache/d/e/f; echo > /made\n"
    image, _ = build(client, run)
    assert paths(served, image) == ["made"]
    again, _ = build(client, run, nocache=True)
    assert image.id == again.id


def test_what_is_beside_a_cache_is_in_the_layer(served: Served, client: docker.DockerClient) -> None:
    run = "RUN --mount=type=cache,target=/srv/a/b,id=beside echo x > /srv/a/b/f; echo > /srv/a/c\n"
    image, _ = build(client, run)
    assert [path for path in paths(served, image) if path.startswith("srv")] == ["srv", "srv/a", "srv/a/c"]


def test_step_with_a_cache_is_itself_cached(client: docker.DockerClient) -> None:
    run = "RUN --mount=type=cache,target=/c,id=step echo once\n"
    build(client, run)
    assert "Using cache" in build(client, run)[1]
    assert "Using cache" not in build(client, run.replace("id=step", "id=other"))[1]


def test_target_is_the_id_of_a_cache_without_one(client: docker.DockerClient) -> None:
    build(client, "WORKDIR /w\nRUN --mount=type=cache,target=mine-alone echo 1 > mine-alone/a\n")
    _, log = build(client, "ARG P=/w/mine\nRUN --mount=type=cache,target=${P}-alone ls /w/mine-alone\n")
    assert "a\n" in log


def test_cache_begins_with_files_of_a_stage(client: docker.DockerClient) -> None:
    text = (
        "RUN mkdir /seed && echo 1 > /seed/a\nFROM busybox\n"
        "RUN --mount=type=cache,target=/c,id=seeded,from=0,source=/seed echo 2 > /c/b; echo $(ls /c)\n"
    )
    assert "a b\n" in build(client, text)[1]


def test_read_only_cache_keeps_what_it_has(served: Served, client: docker.DockerClient) -> None:
    if not served.runtime.driver.traits.overlay:
        pytest.skip("this driver has no read-only mounts")
    with pytest.raises(BuildError):
        build(client, "RUN --mount=type=cache,target=/c,id=read-only,ro touch /c/x\n")


def test_prune_removes_caches(served: Served, client: docker.DockerClient) -> None:
    run = "RUN --mount=type=cache,target=/c,id=pruned head -c 5000 /dev/zero > /c/f; ls /c | wc -l\n"
    build(client, run)
    report = client.api.prune_builds()
    assert report["SpaceReclaimed"] >= 5000
    assert report["CachesDeleted"]
    assert client.api.prune_builds()["CachesDeleted"] is None


def test_locked_cache_has_one_user_at_a_time(client: docker.DockerClient) -> None:
    run = (
        "ARG WHO\nRUN --mount=type=cache,target=/c,id=locked,sharing=locked "
        "test ! -e /c/taken && touch /c/taken && sleep 0.3 && rm /c/taken && echo $WHO\n"
    )
    assert both(client, run) == []


def test_private_cache_is_shared_with_nobody(client: docker.DockerClient) -> None:
    run = (
        "ARG WHO\nRUN --mount=type=cache,target=/c,id=private,sharing=private "
        "test ! -e /c/taken && touch /c/taken && sleep 0.3 && rm /c/taken && echo $WHO\n"
    )
    assert both(client, run) == []


def both(client: docker.DockerClient, text: str) -> list[Exception]:
    """The errors of two builds at the same time."""
    errors: list[Exception] = []

    def one(who: str) -> None:
        try:
            build(client, text, buildargs={"WHO": who})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(who,)) for who in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_bind_shows_the_context(served: Served, client: docker.DockerClient) -> None:
    run = "RUN --mount=target=/src --mount=source=d/f,target=/one,type=bind cat /src/d/f /one > /both\n"
    image, _ = build(client, run, {"d/f": "text\n"}, tag="mounts-bind:1")
    assert client.containers.run("mounts-bind:1", ["cat", "/both"], remove=True) == b"text\ntext\n"
    assert paths(served, image) == ["both"]
    assert "Using cache" in build(client, run, {"d/f": "text\n"})[1]
    assert "Using cache" not in build(client, run, {"d/f": "other\n"})[1]


def test_bind_shows_another_stage(client: docker.DockerClient) -> None:
    text = (
        "RUN mkdir /d && echo made > /d/f && ln -s f /d/l\nFROM busybox\n"
        "RUN --mount=type=bind,from=0,source=/d,target=/x,rw cat /x/l && echo changed > /x/f\n"
        "RUN --mount=from=0,source=/d,target=/x cat /x/f\n"
    )
    assert build(client, text)[1].count("\nmade\n") == 2


def test_bind_of_what_is_not_there_fails(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError, match='"/nosuch": not found'):
        build(client, "RUN --mount=source=nosuch,target=/x true\n")
    with pytest.raises(BuildError, match="invalid from flag value nosuch:1"):
        build(client, "RUN --mount=from=nosuch:1,target=/x true\n")


def test_link_in_the_context_binds_nothing_of_this_machine(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError, match="not found"):
        build(client, "RUN --mount=source=l/passwd,target=/x cat /x\n", {"l": {"link": "/etc"}})


def test_tmpfs_is_empty_and_gone(served: Served, client: docker.DockerClient) -> None:
    run = (
        "RUN --mount=type=tmpfs,target=/scratch,size=1m ls -A /scratch && echo x > /scratch/y && echo > /z\n"
    )
    image, _ = build(client, run)
    assert paths(served, image) == ["z"]


@pytest.mark.parametrize("kind", ["secret,id=key", "ssh"])
def test_secrets_are_refused_clearly(client: docker.DockerClient, kind: str) -> None:
    with pytest.raises(BuildError, match="option requires BuildKit"):
        build(client, f"RUN --mount=type={kind} true\n")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("type=bogus,target=/x", 'unsupported mount type "bogus"'),
        ("type=cache", "target is required for mount type 'cache'"),
        ("type=cache,target=/x,bogus=1", "unexpected key 'bogus' for mount type 'cache'"),
        ("type=cache,target=/x,sharing=some", 'unsupported sharing value "some"'),
        ("type=cache,target", "invalid field 'target' must be a key=value pair"),
        ("type=cache,target=/x,mode=9", "invalid value 9 for mode"),
        ("type=tmpfs,target=/x,size=big", "invalid value for size: big"),
    ],
)
def test_mount_that_means_nothing_is_refused(client: docker.DockerClient, mount: str, message: str) -> None:
    with pytest.raises(APIError) as caught:
        build(client, f"RUN --mount={mount} true\n")
    assert caught.value.explanation == f"dockerfile parse error on line 2: {message}"


def test_run_without_a_network(client: docker.DockerClient) -> None:
    build(client, "RUN --network=none true\n")
    with pytest.raises(BuildError, match="--network option requires BuildKit"):
        build(client, "RUN --network=host true\n")


def test_base_image_may_be_removed_while_it_is_built_on(served: Served, client: docker.DockerClient) -> None:
    build(client, "RUN echo base > /base\n", tag="mounts-base:1")
    wait = "echo begun; while test ! -e /c/go; do sleep 0.1; done"
    text = f"FROM mounts-base:1\nRUN --mount=type=cache,target=/c,id=removed {wait}\nRUN cat /base\n"
    stream = client.api.post(
        client.api._url("/build"),
        data=archive({"Dockerfile": text}),
        headers={"Content-Type": "application/tar"},
        stream=True,
    )
    lines = stream.iter_lines()
    while b"begun" not in (line := next(lines)) or b"Step" in line:
        pass
    client.images.remove("mounts-base:1", force=True)
    client.images.prune()
    for cache in (served.runtime.images.root / "cache-mounts").iterdir():
        (cache / "go").touch()
    rest = b"\n".join(lines)
    assert b'{"stream":"base\\n"}' in rest
    assert b"Successfully built" in rest
