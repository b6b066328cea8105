"""Files in and out of containers: archives over the API, `docker cp`, `docker diff`, `docker export`."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from tests.deadline import eventually
from tests.engine.conftest import Cli, Run

TREE = (
    "mkdir -p /srv/d/sub; echo one > /srv/d/a; chmod 600 /srv/d/a; ln -s a /srv/d/link; "
    "ln -s /srv/d /srv/to-d; ln -s /nowhere /srv/broken; ln -s ring2 /srv/ring1; ln -s ring1 /srv/ring2; "
    "ln /srv/d/a /srv/d/twin; ln -s ../../../../etc/passwd /srv/up; rm -f /etc/profile; touch /srv/made; "
    "echo ready; exec sleep 600"
)


def pack(*members: tuple[str, str, str]) -> bytes:
    """An archive of (name, kind, content or link)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            data = b""
            match kind:
                case "file":
                    data = text.encode()
                    info.size = len(data)
                case "directory":
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                case "link":
                    info.type, info.linkname = tarfile.SYMTYPE, text
                case "hard link":
                    info.type, info.linkname = tarfile.LNKTYPE, text
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def unpack(chunks: Iterator[bytes]) -> dict[str, tarfile.TarInfo]:
    """The members of an archive by name."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        return {member.name: member for member in archive}


@pytest.fixture(params=["running", "stopped"])
def container(request: pytest.FixtureRequest, run: Run) -> Container:
    """A container with some files."""
    found = run(["sh", "-c", TREE])
    eventually(lambda: b"ready" in found.logs(), "its files")
    if request.param == "stopped":
        found.stop(timeout=0)
    return found


def read(container: Container, path: str) -> str:
    """A file's text, through an archive."""
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member is not None
        return member.read().decode()


def test_directory_is_an_archive_of_all_below_it(container: Container) -> None:
    chunks, stat = container.get_archive("/srv/d")
    found = unpack(chunks)
    assert list(found) == ["d", "d/a", "d/link", "d/sub", "d/twin"]
    assert found["d/a"].mode == 0o600
    assert found["d/link"].linkname == "a"
    assert found["d/twin"].islnk()
    assert found["d/twin"].linkname == "d/a"
    assert {found[name].uid for name in found} == {0}
    assert stat["name"] == "d"
    assert stat["mode"] == 1 << 31 | 0o755
    assert stat["linkTarget"] == ""


@pytest.mark.parametrize(
    ("path", "name", "members"),
    [
        ("/srv/d/a", "a", ["a"]),
        ("srv/d/a", "a", ["a"]),
        ("/srv/d/.", ".", [".", "./a", "./link", "./sub", "./twin"]),
        ("/srv/to-d/", "to-d", ["to-d", "to-d/a", "to-d/link", "to-d/sub", "to-d/twin"]),
        ("/srv/to-d", "to-d", ["to-d"]),
        ("/srv/../../srv/d/sub", "sub", ["sub"]),
    ],
)
def test_path_decides_what_the_members_are_called(
    container: Container, path: str, name: str, members: list[str]
) -> None:
    chunks, stat = container.get_archive(path)
    assert stat["name"] == name
    assert list(unpack(chunks)) == members


@pytest.mark.parametrize(
    ("path", "target"),
    [("/srv/d/link", "/srv/d/a"), ("/srv/broken", "/nowhere"), ("/srv/up", "/etc/passwd")],
)
def test_stat_of_a_link_says_where_it_leads_inside_the_container(
    container: Container, path: str, target: str
) -> None:
    _, stat = container.get_archive(path)
    assert stat["linkTarget"] == target
    assert stat["mode"] == 1 << 27 | 0o777


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/nosuch", 404, "Could not find the file /nosuch in container {id}"),
        ("/srv/d/a/x", 500, "lstat /srv/d/a/x: not a directory"),
        ("/srv/d/a/", 500, "lstat /srv/d/a/: not a directory"),
        ("/srv/ring1", 500, "evalSymlinksInScope: too many links in /srv/ring1"),
        ("/" + "x" * 5000, 500, "lstat /" + "x" * 5000 + ": file name too long"),
        ("/a\0b", 500, "lstat /a\0b: invalid argument"),
    ],
)
def test_path_that_cannot_be_read_is_refused_in_upstreams_words(
    container: Container, path: str, status: int, message: str
) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        container.get_archive(path)
    assert failure.value.status_code == status
    assert failure.value.explanation == message.format(id=container.id)


def test_archive_is_unpacked_with_owners_modes_and_times(container: Container) -> None:
    info = tarfile.TarInfo("up/load.txt")
    info.size, info.uid, info.gid, info.mode, info.mtime = 5, 1000, 1001, 0o640, 1_000_000_000
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(info, io.BytesIO(b"hello"))
    assert container.put_archive("/srv/to-d", buffer.getvalue())
    chunks, _ = container.get_archive("/srv/d/up/load.txt")
    found = unpack(chunks)["load.txt"]
    assert (found.size, found.mode, found.mtime) == (5, 0o640, 1_000_000_000)
    if os.geteuid() == 0:
        assert (found.uid, found.gid) == (1000, 1001)


def test_running_program_sees_what_is_copied_in_and_a_stopped_one_finds_it_when_it_starts(
    container: Container,
) -> None:
    container.put_archive("/etc", pack(("new-file", "file", "here"), ("profile", "file", "again")))
    container.reload()
    if container.status != "running":
        container.start()
    assert container.exec_run("cat /etc/new-file").output == b"here"
    container.exec_run("rm /etc/new-file")
    with pytest.raises(docker.errors.NotFound):
        container.get_archive("/etc/new-file")


@pytest.mark.parametrize(
    ("place", "members", "status", "message"),
    [
        ("/srv", [("../out", "file", "x")], 500, '"../out" is outside of "/srv"'),
        (
            "/srv",
            [("l", "link", "../../../../etc"), ("l/out", "file", "x")],
            500,
            'invalid symlink "/srv/l" -> "../../../../etc"',
        ),
        (
            "/srv",
            [("h", "hard link", "../etc/passwd")],
            500,
            'invalid hardlink "/etc/passwd" -> "../etc/passwd"',
        ),
        ("/srv", [("h", "hard link", "nosuch")], 404, "Could not find the file /srv in container {id}"),
        ("/srv", [("d/a/x", "file", "")], 500, None),
        ("/nosuch", [("x", "file", "")], 404, "Could not find the file /nosuch in container {id}"),
        ("/srv/broken", [("x", "file", "")], 404, "Could not find the file /srv/broken in container {id}"),
        ("/srv/ring1", [("x", "file", "")], 500, "EvalSymlinks: too many links"),
    ],
)
def test_archive_that_would_leave_its_place_is_refused(
    container: Container, place: str, members: list[tuple[str, str, str]], status: int, message: str | None
) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        container.put_archive(place, pack(*members))
    assert failure.value.status_code == status
    if message is not None:
        assert failure.value.explanation == message.format(id=container.id)


def test_link_to_an_absolute_path_leads_into_the_container_not_out_of_it(
    container: Container, tmp_path: Path
) -> None:
    # tmp_path is on this machine; in the container it doesn't exist.
    outside = tmp_path / "outside"
    outside.mkdir()
    members = [("l", "link", str(outside)), ("l/evil", "file", "x")]
    with pytest.raises(docker.errors.APIError):
        container.put_archive("/srv", pack(*members))
    container.put_archive("/srv", pack(("m", "link", "/etc"), ("m/inside", "file", "x")))
    assert read(container, "/etc/inside") == "x"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"garbage", "unexpected EOF"),
        (b"g" * 600, "archive/tar: invalid tar header"),
        (pack(("big", "file", "x" * 5000))[:2000], "unexpected EOF"),
    ],
)
def test_what_is_no_archive_is_refused(container: Container, body: bytes, message: str) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        container.put_archive("/srv", body)
    assert failure.value.status_code == 500
    assert failure.value.explanation == message


def test_volumes_take_part_and_read_only_ones_refuse(
    client: docker.DockerClient, name: str, tmp_path: Path
) -> None:
    volumes = {name: {"bind": "/vol", "mode": "rw"}, f"{name}-ro": {"bind": "/fixed", "mode": "ro"}}
    container = client.containers.create("busybox", "true", volumes=volumes)
    try:
        container.put_archive("/", pack(("vol/file", "file", "kept")))
        out = client.containers.run("busybox", "cat /v/file", volumes={name: {"bind": "/v"}}, remove=True)
        assert out == b"kept"
        assert read(container, "/vol/file") == "kept"
        with pytest.raises(docker.errors.APIError, match="mounted volume is marked read-only"):
            container.put_archive("/fixed", pack(("file", "file", "x")))
        with pytest.raises(docker.errors.APIError, match="open /fixed/file: read-only file system"):
            container.put_archive("/", pack(("fixed/file", "file", "x")))
    finally:
        container.remove(v=True)
        for volume in (name, f"{name}-ro"):
            client.volumes.get(volume).remove()


def test_read_only_root_refuses_copies(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "true", read_only=True)
    try:
        with pytest.raises(docker.errors.APIError, match="container rootfs is marked read-only"):
            container.put_archive("/tmp", pack(("file", "file", "x")))
    finally:
        container.remove()


def test_diff_tells_what_was_added_changed_and_deleted(container: Container) -> None:
    container.put_archive("/srv", pack(("put", "file", "x")))
    found = {change["Path"]: change["Kind"] for change in container.diff()}
    assert found["/srv/d/a"] == 1
    assert found["/srv/put"] == 1
    assert found["/etc/profile"] == 2
    assert found["/etc"] == 0
    assert not {"/", "/etc/hosts", "/etc/resolv.conf", "/proc", "/dev", "/usr"} & set(found)


def commit(container: Container) -> str:
    image = container.commit(pause=False)
    container.client.images.remove(image.id)
    return str(image.id)


READS: dict[str, Callable[[Container], object]] = {
    "diff": lambda container: container.diff(),
    "export": lambda container: unpack(container.export()),
    "archive": lambda container: unpack(container.get_archive("/tmp")[0]),
    "commit": commit,
}


@pytest.mark.parametrize(
    "docker_host", ["embedded"], indirect=True
)  # a real engine may fail at what vanishes
@pytest.mark.parametrize("kind", READS)
def test_container_can_be_read_while_it_makes_and_removes_files(run: Run, kind: str) -> None:
    make = "mkdir -p $i/a; echo x > $i/a/f; ln -sf a $i/l"
    container = run(
        ["sh", "-c", f"cd /tmp; while :; do for i in 1 2 3 4; do {make}; done; rm -r [1-4]; done"]
    )
    eventually(container.diff, "the first files")
    for _ in range(5):
        READS[kind](container)


def test_diff_of_an_untouched_container_is_nothing(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "true")
    try:
        assert not container.diff()
    finally:
        container.remove()


def test_export_is_the_whole_root_without_what_is_mounted(client: docker.DockerClient, name: str) -> None:
    container = client.containers.create("busybox", "true", volumes={name: {"bind": "/vol", "mode": "rw"}})
    try:
        container.put_archive("/", pack(("mine", "file", "x"), ("vol/file", "file", "x")))
        found = unpack(container.export())
        assert found["mine"].isfile()
        assert found["vol"].isdir()
        assert "etc/passwd" in found
        assert "vol/file" not in found
        assert not any(member.startswith(("/", "./")) for member in found)
    finally:
        container.remove(v=True)
        client.volumes.get(name).remove()


def test_cp_copies_both_ways_as_cp_does(container: Container, cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "dir"
    (source / "sub").mkdir(parents=True)
    (source / "one").write_text("1")
    (source / "sub" / "two").write_text("2")
    for target in ("/dst", "/dst", "/dst2/."):
        result = cli("cp", f"{source}/." if target.endswith(".") else str(source), f"{container.id}:{target}")
        if target == "/dst2/.":
            assert result.returncode != 0  # there is no such directory
        else:
            assert result.returncode == 0, result.stderr
    assert cli("cp", f"{container.id}:/dst", str(tmp_path / "back")).returncode == 0
    back = tmp_path / "back"
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*")) == [
        "dir", "dir/one", "dir/sub", "dir/sub/two", "one", "sub", "sub/two",
    ]  # fmt: skip
    assert (back / "sub" / "two").read_text() == "2"


def test_cp_refuses_as_upstream_does(container: Container, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir").mkdir()
    place = container.id
    for source, target, words in (
        # The command line of Docker 20.10 has words of its own: "No such container:path: ID:/nosuch".
        (f"{place}:/nosuch", str(tmp_path), "/nosuch"),
        (
            str(tmp_path / "file"),
            f"{place}:/no/dir/file",
            f"Could not find the file /no/dir in container {place}",
        ),
        (str(tmp_path / "file"), f"{place}:/no/dir/", "no such directory"),
        (str(tmp_path / "dir"), f"{place}:/etc/passwd", "cannot copy directory"),
        ("nosuch:/x", str(tmp_path), "No such container: nosuch"),
    ):
        result = cli("cp", source, target)
        assert result.returncode == 1
        assert words in result.stderr


def test_client_that_leaves_in_the_middle_of_an_export_leaves_nothing_behind(
    client: docker.DockerClient, run: Run
) -> None:
    container = run("sleep 600", "python:3.12-slim")
    for _ in range(20):
        chunks = container.export(chunk_size=1024)
        next(chunks)
        chunks.close()
    # An engine whose threads were all stuck would not answer.
    assert list(unpack(container.get_archive("/etc/passwd")[0])) == ["passwd"]
    container.remove(force=True)
    assert client.ping()
