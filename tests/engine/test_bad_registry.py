"""Registries that break off, lie, or want a token: pulls that recover, or fail without a trace."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import docker
import pytest

from tests.engine.registries import BreakingRegistry, Handle, PretendRegistry, Reply, Shelf, sha256
from tests.engine.serving import EngineProcess

Serve = Callable[[Handle], PretendRegistry]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started = []

    def start(handle: Handle) -> PretendRegistry:
        started.append(PretendRegistry(handle))
        return started[-1]

    yield start
    for registry in started:
        registry.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of an engine whose store nobody else uses; `socket` in it is the engine's."""
    home = tmp_path_factory.mktemp("engine")
    process = EngineProcess(home)
    process.start()
    (home / "socket").symlink_to(process.socket)
    yield home
    process.close()


@pytest.fixture
def client(engine: Path) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{(engine / 'socket').readlink()}", timeout=60)
    yield client
    for image in client.images.list(all=True):
        client.images.remove(image.id, force=True)
    client.close()


def layer(*names: str, size: int = 1000) -> bytes:
    """An uncompressed layer with files of zeros."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    return buffer.getvalue()


def shelf(*layers: bytes) -> Shelf:
    return Shelf([gzip.compress(each, mtime=0) for each in layers], [sha256(each) for each in layers])


def stored(engine: Path) -> list[str]:
    """What is in the store that is no database: layers, and whatever was left."""
    root = next(engine.glob("**/images.sqlite")).parent
    files = (path.relative_to(root) for path in root.rglob("*"))
    return sorted(str(path) for path in files if "sqlite" not in path.name and path.parts[-1] not in (
        "layers", "unfinished", "contexts", "cache-mounts", "socket"
    ))  # fmt: skip


def pull_fails(client: docker.DockerClient, place: str) -> str:
    """The message with which a pull ends, wherever it stands."""
    try:
        said = list(client.api.pull(place, tag="1", stream=True, decode=True))
    except docker.errors.APIError as error:
        return str(error.explanation)
    assert "error" in said[-1], said
    return str(said[-1]["error"])


def test_blob_that_breaks_off_is_fetched_from_there(client: docker.DockerClient, serve: Serve) -> None:
    image = shelf(layer("a", size=300_000))
    blob = image.manifest["layers"][0]["digest"]

    def handle(method: str, path: str, headers: dict[str, str]) -> Reply:
        if not path.endswith(blob):
            return image.answer(method, path, headers)
        data = image.blobs[blob]
        begin = int(headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        end = min(begin + len(data) // 3 + 1, len(data))
        extra = {"Content-Length": str(len(data) - begin)}
        return (206 if begin else 200), extra, data[begin:end]

    registry = serve(handle)
    assert client.images.pull(f"{registry.host}/broken", "1").tags == [f"{registry.host}/broken:1"]
    ranges = [headers.get("range") for _, path, headers in registry.requests if path.endswith(blob)]
    assert ranges[0] is None
    assert len(ranges) >= 3
    assert all(text and text.startswith("bytes=") for text in ranges[1:])


def test_registry_without_ranges_sends_the_blob_again(client: docker.DockerClient, serve: Serve) -> None:
    image = shelf(layer("b"))
    blob = image.manifest["layers"][0]["digest"]
    asked: list[str] = []

    def handle(method: str, path: str, headers: dict[str, str]) -> Reply:
        if not path.endswith(blob):
            return image.answer(method, path, headers)
        asked.append(path)
        data = image.blobs[blob]
        return 200, {"Content-Length": str(len(data))}, data[: 10 if len(asked) == 1 else None]

    registry = serve(handle)
    client.images.pull(f"{registry.host}/again", "1")
    assert len(asked) == 2


def lying_blob(image: Shelf) -> None:
    blob = image.manifest["layers"][0]["digest"]
    image.blobs[blob] = bytes([image.blobs[blob][0] ^ 1]) + image.blobs[blob][1:]


def too_long_blob(image: Shelf) -> None:
    blob = image.manifest["layers"][0]["digest"]
    image.blobs[blob] += b"more"


def wrong_diff_id(image: Shelf) -> None:
    other = Shelf([], [sha256(b"something"), sha256(b"else")])
    config = other.manifest["config"]
    image.manifest["config"] = config
    image.blobs[config["digest"]] = other.blobs[config["digest"]]


def cut_gzip(image: Shelf) -> None:
    whole = image.blobs[image.manifest["layers"][0]["digest"]]
    image.manifest["layers"][0] = image.add(
        whole[: len(whole) // 2], "application/vnd.oci.image.layer.v1.tar+gzip"
    )


def no_archive(image: Shelf) -> None:
    data = b"this is no archive at all" * 100
    image.__init__([data], [sha256(data)])  # type: ignore[misc]


def too_few_layers(image: Shelf) -> None:
    image.manifest["layers"] = []


def out_of_the_tree(image: Shelf) -> None:
    data = layer("fine", "../../../../escaped")
    image.__init__([data], [sha256(data)])  # type: ignore[misc]


def no_digest(image: Shelf) -> None:
    image.manifest["layers"][0]["digest"] = "sha256:../../../../etc/passwd"


def endless_size(image: Shelf) -> None:
    image.manifest["layers"][0]["size"] = 1 << 60


def no_config(image: Shelf) -> None:
    image.manifest["config"] = image.add(b"[]", "application/vnd.oci.image.config.v1+json")


def first_schema(image: Shelf) -> None:
    image.manifest["schemaVersion"] = 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lying_blob, "filesystem layer verification failed for digest sha256:"),
        (too_long_blob, "filesystem layer verification failed for digest sha256:"),
        (wrong_diff_id, "invalid diffID"),
        (cut_gzip, "unexpected EOF"),
        (no_archive, "not a tar archive"),
        (too_few_layers, "layers from manifest don't match image configuration"),
        (out_of_the_tree, "points out of the layer"),
        (no_digest, "invalid manifest"),
        (endless_size, "no space left on device"),
        (no_config, "invalid image configuration"),
        (first_schema, "schema 1 support is disabled"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_stays(
    client: docker.DockerClient, engine: Path, serve: Serve, spoil: Callable[[Shelf], None], words: str
) -> None:
    image = shelf(layer("good"), layer("bad"))
    spoil(image)
    before = stored(engine)
    registry = serve(image.answer)
    assert words in pull_fails(client, f"{registry.host}/spoilt")
    assert stored(engine) == before
    assert client.images.list(all=True) == []


def test_token_is_fetched_for_the_repository_and_renewed(client: docker.DockerClient, serve: Serve) -> None:
    image = shelf(layer("c"))
    given: list[dict[str, list[str]]] = []

    def handle(method: str, path: str, headers: dict[str, str]) -> Reply:
        url = urlsplit(path)
        if url.path == "/token":
            assert headers["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
            given.append(parse_qs(url.query))
            return 200, {}, json.dumps({"token": f"t{len(given)}"}).encode()
        # The first token has run out by the time of the second question.
        wanted = "Bearer t1" if "/manifests/" in path else "Bearer t2"
        if path == "/v2/" or headers.get("authorization") != wanted:
            realm = f'Bearer realm="http://{registry.host}/token",service="here",scope="x"'
            return 401, {"WWW-Authenticate": realm}, b""
        return image.answer(method, path, headers)

    registry = serve(handle)
    credentials = {"username": "me", "password": "secret"}
    client.images.pull(f"{registry.host}/team/app", "1", auth_config=credentials)
    assert len(given) == 2
    assert given[0] == {"account": ["me"], "service": ["here"], "scope": ["repository:team/app:pull"]}


def test_password_does_not_follow_a_redirect_to_another_host(
    client: docker.DockerClient, serve: Serve
) -> None:
    image = shelf(layer("d"))
    elsewhere = serve(image.answer)

    def handle(method: str, path: str, headers: dict[str, str]) -> Reply:
        if path == "/v2/":
            return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
        if "/blobs/" in path:
            return 307, {"Location": f"http://{elsewhere.host}{path}"}, b""
        return image.answer(method, path, headers)

    registry = serve(handle)
    credentials = {"username": "me", "password": "secret"}
    client.images.pull(f"{registry.host}/moved", "1", auth_config=credentials)
    assert any("authorization" in headers for _, _, headers in registry.requests)
    assert elsewhere.requests
    assert not any("authorization" in headers for _, _, headers in elsewhere.requests)


def test_denied_is_told_as_upstream_tells_it(client: docker.DockerClient, serve: Serve) -> None:
    def handle(method: str, path: str, headers: dict[str, str]) -> Reply:
        if path == "/v2/":
            return 200, {}, b"{}"
        scope = 'Bearer realm="http://localhost/t",error="insufficient_scope"'
        body = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required", "detail": []}]}
        return 401, {"WWW-Authenticate": scope}, json.dumps(body).encode()

    place = f"{serve(handle).host}/locked/app"
    with pytest.raises(docker.errors.ImageNotFound) as failure:
        client.images.pull(place, "1")
    assert failure.value.explanation == (
        f"pull access denied for {place}, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied"
    )
    with pytest.raises(docker.errors.APIError) as failure:
        client.images.get_registry_data(f"{place}:1")
    assert failure.value.status_code == 403
    assert failure.value.explanation == (
        "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n"
    )


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"oops", "received unexpected HTTP status: 500"),
        (200, b"<html>", "invalid manifest"),
        (200, b"{}", "schema 1 support is disabled"),
        (
            429,
            b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down","detail":""}]}',
            "toomanyrequests",
        ),
    ],
)
def test_answer_that_makes_no_sense_is_an_error(
    client: docker.DockerClient, serve: Serve, status: int, body: bytes, words: str
) -> None:
    registry = serve(lambda method, path, headers: (200, {}, b"{}") if path == "/v2/" else (status, {}, body))
    assert words in pull_fails(client, f"{registry.host}/odd")


def test_upload_that_breaks_off_goes_on_from_there(client: docker.DockerClient) -> None:
    registry = BreakingRegistry(keeps=1000)
    try:
        place = f"{registry.host}/up"
        noise = layer(*(f"file-{number}" for number in range(400)), size=1)
        client.api.import_image_from_data(noise, repository=place, tag="1")
        said = list(client.images.push(place, tag="1", stream=True, decode=True))
        assert "error" not in said[-1], said
        parts = [span for method, _, span in registry.requests if method == "PATCH"]
        assert parts[0].startswith("0-")
        assert parts[1].startswith("1000-")
        manifest = json.loads(registry.manifest)
        (sent,) = manifest["layers"]
        assert gzip.decompress(registry.blobs[sent["digest"]]) == noise
        assert len(registry.blobs[sent["digest"]]) == sent["size"]
    finally:
        registry.close()
