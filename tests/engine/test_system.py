"""The engine as a whole: versions, refusals word for word, and state that survives."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.deadline import eventually
from tests.engine.serving import EngineProcess

REFUSALS = json.loads((Path(__file__).parent / "data" / "refusals.json").read_text())


class UnixConnection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, url: str) -> None:
        super().__init__("engine", timeout=60)
        self._path = url.removeprefix("unix://")

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


def ask(
    url: str, method: str, path: str, body: str | None = None, content_type: str | None = "application/json"
) -> tuple[int, dict[str, str], bytes]:
    connection = UnixConnection(url)
    try:
        headers = {"Content-Type": content_type} if body is not None and content_type else {}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def post(url: str, path: str, body: object = None) -> Any:
    status, _, answer = ask(url, "POST", path, None if body is None else json.dumps(body))
    assert status < 300, answer
    return json.loads(answer) if answer else None


@pytest.fixture(scope="module")
def staged(embedded_engine: str) -> Iterator[tuple[str, list[str]]]:
    """The recording's precondition: net1, vol1, run1 on both, done1 that has exited."""
    url = embedded_engine
    post(url, "/networks/create", {"Name": "net1"})
    post(url, "/volumes/create", {"Name": "vol1"})
    ids = []
    for name, command, host in (
        ("run1", ["sleep", "600"], {"NetworkMode": "net1", "Binds": ["vol1:/v"]}),
        ("done1", ["true"], {}),
    ):
        body = {"Image": "busybox", "Cmd": command, "HostConfig": host}
        ids.append(post(url, f"/containers/create?name={name}", body)["Id"])
        post(url, f"/containers/{name}/start")
    post(url, "/containers/done1/wait")
    yield url, ids
    for name in ("run1", "done1"):
        ask(url, "DELETE", f"/containers/{name}?force=1")
    ask(url, "DELETE", "/networks/net1")
    ask(url, "DELETE", "/volumes/vol1")


@pytest.mark.parametrize(
    "refusal", REFUSALS, ids=lambda r: f"{r['method']} {r['path'][:60]} {r['body']}"[:110]
)
def test_bad_request_is_refused_in_upstreams_words(
    staged: tuple[str, list[str]], refusal: dict[str, Any]
) -> None:
    url, ids = staged
    status, _, answer = ask(url, refusal["method"], refusal["path"], refusal["body"], refusal["content_type"])
    assert status == refusal["status"], answer
    wanted = refusal["message"]
    if wanted is None:
        return
    try:
        message = json.loads(answer)["message"]
    except ValueError:
        message = answer.decode()
    for identifier in ids:
        message = re.sub(rf"{identifier}|{identifier[:12]}(?![0-9a-f])", "<id>", message)
    message = re.sub(r'id:"[0-9a-f]{12}"', 'id:"<id>"', message)
    cores = os.cpu_count() or 1
    wanted = (
        wanted.replace("<id12>", "<id>")
        .replace("to 2.00", f"to {cores}.00")
        .replace("only 2", f"only {cores}")
    )
    wanted = wanted.replace("available: 0-1", f"available: 0-{cores - 1}" if cores > 1 else "available: 0")
    assert message == wanted


def test_there_are_refusals_to_compare() -> None:
    assert len(REFUSALS) > 150


def test_ping_tells_the_version_before_anything_else(embedded_engine: str) -> None:
    for method, body in (("HEAD", b""), ("GET", b"OK")):
        status, headers, answer = ask(embedded_engine, method, "/_ping")
        assert (status, answer) == (200, body)
        assert headers["Api-Version"] == "1.51"
        assert headers["Builder-Version"] == "1"
        assert headers["Ostype"] == "linux"


def test_every_supported_version_prefix_is_served(docker_host: str) -> None:
    for version in ("1.40", "1.41"):
        client = docker.DockerClient(base_url=docker_host, version=version)
        try:
            assert client.version()["Os"] == "linux"
            assert client.info()["OSType"] == "linux"
        finally:
            client.close()


def test_disk_usage_counts_images_containers_and_volumes(docker_host: str) -> None:
    client = docker.DockerClient(base_url=docker_host)
    try:
        usage = client.df()
    finally:
        client.close()
    assert usage["LayersSize"] > 0
    assert any("busybox:latest" in (image["RepoTags"] or ()) for image in usage["Images"])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path / "home")
    engine.start()
    yield engine
    engine.close()


def test_acknowledged_changes_survive_a_power_cut(engine: EngineProcess) -> None:
    client = docker.DockerClient(base_url=engine.url, timeout=60)
    try:
        client.images.pull("busybox", "latest")
        client.volumes.create("kept")
        client.networks.create("kept")
        always = client.containers.run(
            "busybox", "sleep 600", name="always", detach=True, restart_policy={"Name": "always"}
        )
        once = client.containers.run(
            "busybox", ["sh", "-c", "echo said; echo x > /f; sleep 600"], name="once", detach=True
        )
        eventually(lambda: once.logs() == b"said\n", "the first words")
        client.containers.run("busybox", "sleep 600", name="gone", detach=True, auto_remove=True)
        created = client.containers.create("busybox", "true", name="created", labels={"l": "1"})
        engine.kill()
        engine.start()
        names = {container.name for container in client.containers.list(all=True)}
        assert names == {"always", "once", "created"}
        once.reload()
        assert once.status == "exited"
        assert once.attrs["State"]["ExitCode"] == 255
        assert once.logs() == b"said\n"
        created.reload()
        assert created.status == "created"
        assert created.labels["l"] == "1"

        def started_again() -> bool:
            always.reload()
            return bool(always.status == "running")

        eventually(started_again, "the restart policy")
        once.start()
        assert once.exec_run("cat /f").output == b"x\n"
        assert client.volumes.get("kept").name == "kept"
        assert client.networks.get("kept").name == "kept"
        assert client.containers.run("busybox", "echo fine", remove=True) == b"fine\n"
    finally:
        client.close()


def test_stopped_engine_leaves_no_process_of_a_container(engine: EngineProcess) -> None:
    client = docker.DockerClient(base_url=engine.url, timeout=60)
    try:
        client.images.pull("busybox", "latest")
        container = client.containers.run("busybox", "sleep 600", detach=True)
        container.reload()
        pid = container.attrs["State"]["Pid"]
        assert Path(f"/proc/{pid}").exists()
    finally:
        client.close()
    engine.stop()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the container's process ends")
