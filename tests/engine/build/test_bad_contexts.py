"""Contexts and Dockerfiles that nobody should send: a clear error or nothing, never a write outside."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, BuildError

from tests.deadline import eventually
from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.served import Served

BUSYBOX = b"FROM busybox\n"


def packed(*members: tuple[tarfile.TarInfo, bytes], dockerfile: bytes = BUSYBOX) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in [*members, (tarfile.TarInfo("Dockerfile"), dockerfile)]:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def refused(client: docker.DockerClient, context: bytes) -> str:
    with pytest.raises(APIError) as caught:
        build_archive(client, context)
    assert caught.value.status_code in (400, 500)
    return str(caught.value.explanation)


def run(client: docker.DockerClient, image: str, script: str) -> str:
    return str(client.containers.run(image, ["sh", "-c", script], remove=True), "utf-8")


def test_hard_link_to_what_is_not_in_it(client: docker.DockerClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    assert "doesn't hold" in refused(client, packed((member("h", tarfile.LNKTYPE, str(secret)), b"")))
    assert "points out of" in refused(client, packed((member("h", tarfile.LNKTYPE, "../../secret"), b"")))


def test_member_below_a_link(client: docker.DockerClient, tmp_path: Path) -> None:
    link = member("l", tarfile.SYMTYPE, str(tmp_path))
    assert "passes through" in refused(client, packed((link, b""), (member("l/written"), b"x")))
    assert list(tmp_path.iterdir()) == []


def test_absolute_names_are_names_in_the_context(client: docker.DockerClient) -> None:
    context = packed((member("/etc/dockyard-test"), b"x"), dockerfile=BUSYBOX + b"COPY etc /copied\n")
    build_archive(client, context, tag="absolute:1")
    assert run(client, "absolute:1", "cat /copied/dockyard-test") == "x"
    assert not Path("/etc/dockyard-test").exists()


def test_devices_and_pipes_are_not_opened(client: docker.DockerClient) -> None:
    device = member("zero", tarfile.CHRTYPE)
    device.devmajor, device.devminor = 1, 5
    context = packed(
        (device, b""), (member("pipe", tarfile.FIFOTYPE), b""), dockerfile=BUSYBOX + b"COPY . /d/\n"
    )
    build_archive(client, context, tag="devices:1")
    assert run(client, "devices:1", "ls /d") == "Dockerfile\n"
    with pytest.raises(APIError):
        build_archive(client, context, dockerfile="pipe")


@pytest.mark.parametrize("name", ["d/" * 2500 + "f", "f" * 5000])
def test_path_of_5000_characters(client: docker.DockerClient, name: str) -> None:
    assert "file name too long" in refused(client, packed((member(name), b"x")))


def test_more_bytes_than_the_disk_has(served: Served, client: docker.DockerClient) -> None:
    info = member("huge")
    info.size = 1 << 60
    header = info.tobuf(tarfile.GNU_FORMAT)
    assert "no space left on device" in refused(client, header + bytes(4096))
    free = os.statvfs(served.runtime.images.root)
    assert free.f_bavail > 0


def test_more_files_than_anybody_has(client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dockyard.runtime.layer_unpack.MAX_ENTRIES", 1000)
    block = member("f").tobuf(tarfile.USTAR_FORMAT)
    bomb = b"".join(block.replace(b"f\0\0\0\0\0", b"%06d" % number, 1) for number in range(1200))
    assert refused(client, gzip.compress(bomb)).startswith("error reading the build context")


def test_nothing_of_a_refused_context_stays(served: Served, client: docker.DockerClient) -> None:
    contexts = served.runtime.images.root / "contexts"
    refused(client, packed((member("../x"), b"x")))
    refused(client, packed(dockerfile=b"RUNN x\n"))
    eventually(lambda: not list(contexts.iterdir()), "no context is left")


DOCKERFILES: dict[str, bytes] = {
    "lines that end as on Windows": b"FROM busybox\r\nENV A=1 \\\r\n  B=2\r\n",
    "a byte order mark": b"\xef\xbb\xbfFROM busybox\nENV A=1 B=2\n",
    "no end of the last line": b"FROM busybox\nENV A=1 B=2",
}


@pytest.mark.parametrize("what", DOCKERFILES)
def test_dockerfile_with(client: docker.DockerClient, what: str) -> None:
    image, _ = build_archive(client, packed(dockerfile=DOCKERFILES[what]))
    assert image.attrs["Config"]["Env"][-2:] == ["A=1", "B=2"]


@pytest.mark.parametrize("text", [b"FROM busybox\nLABEL a=\xff\xfe\n", b"FROM busybox\nRUN echo \xc3\n"])
def test_dockerfile_that_is_no_utf_8_is_built_all_the_same(client: docker.DockerClient, text: bytes) -> None:
    build_archive(client, packed(dockerfile=text))


def test_zero_bytes_in_a_dockerfile_are_refused(client: docker.DockerClient) -> None:
    for text in (b"FROM busy\0box\n", b"FROM busybox\nENV A=\0\nRUN true\n", b"FROM busybox\nRUN echo \0\n"):
        with pytest.raises((APIError, BuildError)):
            build_archive(client, packed(dockerfile=text))


def test_dockerfile_of_100_000_lines(client: docker.DockerClient) -> None:
    text = b"FROM busybox\n" + b"# comment\n" * 50_000 + b"RUN true \\\n" + b" && true \\\n" * 50_000 + b"\n"
    with pytest.raises(BuildError):  # the kernel takes no argument of that length
        build_archive(client, packed(dockerfile=text))
    assert "unknown instruction" in refused(client, packed(dockerfile=b"FROM busybox\n" + b"X\n" * 100_000))


@pytest.mark.parametrize("text", [b"RUN " + b"[" * 100_000, b"ENV A=" + b"${A:-" * 10_000 + b"}" * 10_000])
def test_dockerfile_that_nests_deeply(client: docker.DockerClient, text: bytes) -> None:
    with pytest.raises((APIError, BuildError)):
        build_archive(client, packed(dockerfile=BUSYBOX + text + b"\n"))


def test_dockerfile_may_not_be_outside(client: docker.DockerClient) -> None:
    for name in ("../Dockerfile", "/../Dockerfile", "a/../../Dockerfile"):
        with pytest.raises(APIError):
            build_archive(client, archive({"a/Dockerfile": "FROM busybox\n"}), dockerfile=name)


@pytest.fixture
def processes(served: Served) -> Callable[[str], list[str]]:
    def find(mark: str) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(line.decode("utf-8", "replace"))
        return found

    return find


def test_endless_step_ends_with_its_client(
    served: Served, client: docker.DockerClient, processes: Callable[[str], list[str]]
) -> None:
    run = "RUN trap '' TERM; echo begun; while :; do sleep 7177; done\n"
    stream: Any = client.api.post(
        client.api._url("/build"),
        data=archive({"Dockerfile": "FROM busybox\n" + run}),
        headers={"Content-Type": "application/tar"},
        stream=True,
    )
    lines = stream.iter_lines()
    while b"begun" not in (line := next(lines)) or b"Step" in line:
        pass
    assert processes("7177")
    stream.close()
    eventually(lambda: not processes("7177"), "the process has ended")
    eventually(lambda: not list((served.runtime.images.root / "contexts").iterdir()), "no context is left")
