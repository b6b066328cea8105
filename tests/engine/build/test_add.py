"""ADD: archives are unpacked, URLs fetched."""

import bz2
import gzip
import hashlib
import io
import lzma
import socket
import tarfile
from typing import Any

import docker
import pytest
from docker.errors import BuildError

from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.web import serving

INNER = archive({"deep/file": "content", "script": {"text": "#!", "mode": 0o755}, "l": {"link": "deep/file"}})
PACKED = {
    "tar": INNER,
    "tar.gz": gzip.compress(INNER, mtime=0),
    "tar.bz2": bz2.compress(INNER),
    "tar.xz": lzma.compress(INNER),
}


def build(client: docker.DockerClient, text: str, files: Any = (), **options: Any) -> tuple[Any, str]:
    return build_archive(client, archive({**dict(files), "Dockerfile": "FROM busybox\n" + text}), **options)


def run(client: docker.DockerClient, image: str, script: str) -> str:
    return str(client.containers.run(image, ["sh", "-c", script], remove=True), "utf-8")


@pytest.mark.parametrize("form", PACKED)
def test_add_unpacks_whatever_it_is_packed_with(client: docker.DockerClient, form: str) -> None:
    # The name says nothing: what counts is what it begins with.
    build(client, "ADD data /srv/new/\nADD data /srv/new\n", {"data": PACKED[form]}, tag="add-packed:1")
    assert run(client, "add-packed:1", "cat /srv/new/l; stat -c %a /srv/new/script") == "content755\n"


def test_add_goes_into_what_is_there(client: docker.DockerClient) -> None:
    text = "RUN mkdir -p /d/deep && echo old > /d/deep/old\nADD data.tar /d\n"
    build(client, text, {"data.tar": INNER}, tag="add-into:1")
    assert run(client, "add-into:1", "ls /d /d/deep").split() == [
        "/d:", "deep", "l", "script", "/d/deep:", "file", "old",
    ]  # fmt: skip


def test_what_is_packed_but_no_archive_is_copied(client: docker.DockerClient) -> None:
    build(client, "ADD text.gz /text.gz\n", {"text.gz": gzip.compress(b"hello", mtime=0)}, tag="add-gz:1")
    assert run(client, "add-gz:1", "gzip -dc < /text.gz || zcat < /text.gz") == "hello"


@pytest.mark.parametrize("name", ["../out", "d/../../out"])
def test_archive_that_points_out_of_itself_is_refused(client: docker.DockerClient, name: str) -> None:
    with pytest.raises(BuildError, match="points out of"):
        build(client, "ADD bad.tar /d/\n", {"bad.tar": archive({name: "x"})})


def test_archive_cannot_write_through_its_own_link(client: docker.DockerClient) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link, file = tarfile.TarInfo("l"), tarfile.TarInfo("l/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        tar.addfile(file)
    with pytest.raises(BuildError, match="passes through"):
        build(client, "ADD bad.tar /d/\n", {"bad.tar": buffer.getvalue()})


def test_add_fetches_a_url(client: docker.DockerClient) -> None:
    date = {"Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
    with serving({"/d/page.txt": b"hello\n", "/x.tar": INNER}, date) as url:
        build(client, f"ADD {url}/d/page.txt {url}/x.tar /srv/\nADD {url}/x.tar /one\n", tag="add-url:1")
        seen = run(client, "add-url:1", "cd /srv; cat page.txt; stat -c '%a %u %Y' page.txt; ls; ls -d /one")
        assert seen == "hello\n600 0 1735689600\npage.txt\nx.tar\n/one\n"
        assert "Using cache" in build(client, f"ADD {url}/d/page.txt {url}/x.tar /srv/\n")[1]
    with serving({"/d/page.txt": b"changed\n"}) as url:
        build(client, f"ADD {url}/d/page.txt /page\n", tag="add-url:2")
        assert run(client, "add-url:2", "cat /page; stat -c %Y /page") == "changed\n0\n"


def test_add_checks_a_digest(client: docker.DockerClient) -> None:
    digest = "sha256:" + hashlib.sha256(b"hello\n").hexdigest()
    with serving({"/page": b"hello\n"}) as url:
        build(client, f"ADD --checksum={digest} {url}/page /page\n")
        with pytest.raises(BuildError, match=f"digest mismatch {digest}: sha256:00"):
            build(client, f"ADD --checksum=sha256:00 {url}/page /page\n")


def test_url_that_fails_is_named(client: docker.DockerClient) -> None:
    with serving({}) as url, pytest.raises(BuildError) as caught:
        build(client, f"ADD {url}/nosuch /x\n")
    assert (
        caught.value.msg == f"ADD failed: failed to GET {url}/nosuch with status 404 Not Found: no such page"
    )
    with serving({"/": b"x"}) as url, pytest.raises(BuildError, match="cannot determine filename"):
        build(client, f"ADD {url}/ /x/\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BuildError) as caught:
        build(client, f"ADD http://127.0.0.1:{port}/x /x\n")
    assert caught.value.msg == (
        f'ADD failed: Get "http://127.0.0.1:{port}/x": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )


def test_copy_fetches_nothing(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError, match="COPY failed"):
        build(client, "COPY http://127.0.0.1:1/x /x\n")
