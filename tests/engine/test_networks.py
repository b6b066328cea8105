"""Published ports and user networks."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import docker
import pytest

from tests.deadline import eventually
from tests.engine.conftest import Run

SERVE = ["python", "-m", "http.server", "8000"]
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).status)"
PYTHON = "python:3.12-slim"


@pytest.fixture
def network(client: docker.DockerClient, name: str) -> Iterator[docker.models.networks.Network]:
    network = client.networks.create(name, labels={"team": name})
    yield network
    network.remove()


def published(container: docker.models.containers.Container) -> int:
    container.reload()
    return int(container.ports["8000/tcp"][0]["HostPort"])


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def test_published_port_reaches_the_container_while_it_runs(run: Run) -> None:
    container = run(SERVE, PYTHON, ports={"8000/tcp": None})
    port = published(container)
    eventually(lambda: answers(port), "an answer on the published port")
    container.stop(timeout=0)
    assert not answers(port)
    container.reload()
    assert container.ports == {}


def test_taken_port_refuses_the_start_and_says_which(run: Run, client: docker.DockerClient) -> None:
    port = published(run(SERVE, PYTHON, ports={"8000/tcp": None}))
    second = client.containers.create("busybox", "sleep 60", ports={"80/tcp": port})
    try:
        with pytest.raises(
            docker.errors.APIError, match=f":{port} failed: port is already allocated"
        ) as failure:
            second.start()
        assert failure.value.status_code == 500
        second.reload()
        assert second.attrs["State"]["ExitCode"] == 128
        assert second.status == "created"
    finally:
        second.remove(force=True)


def test_containers_of_a_network_find_one_another_by_name(
    run: Run, client: docker.DockerClient, network: docker.models.networks.Network, name: str
) -> None:
    server = run(SERVE, PYTHON, name=f"{name}-web", network=name)
    probe = run("sleep 60", PYTHON, network=name)

    def fetch(host: str) -> bytes:
        return bytes(probe.exec_run(["python", "-c", FETCH, f"http://{host}:8000"]).output)

    eventually(lambda: fetch(f"{name}-web") == b"200\n", "the server by name")
    assert fetch(server.id[:12]) == b"200\n"
    network.reload()
    assert {c.id for c in network.containers} == {server.id, probe.id}
    server.remove(force=True)
    probe.remove(force=True)


def test_container_outside_a_network_does_not_see_it(
    run: Run, network: docker.models.networks.Network, name: str
) -> None:
    server = run(SERVE, PYTHON, name=f"{name}-web", network=name)
    outside = run("sleep 60", PYTHON)
    result = outside.exec_run(["python", "-c", FETCH, f"http://{name}-web:8000"])
    assert result.exit_code != 0
    network.connect(outside, aliases=["late"])
    eventually(
        lambda: outside.exec_run(["python", "-c", FETCH, f"http://{name}-web:8000"]).exit_code == 0,
        "reached once it was connected",
    )
    network.disconnect(outside)
    assert outside.exec_run(["python", "-c", FETCH, f"http://{name}-web:8000"]).exit_code != 0
    server.remove(force=True)


def test_network_in_use_stays_and_predefined_ones_too(
    run: Run, client: docker.DockerClient, network: docker.models.networks.Network, name: str
) -> None:
    container = run("sleep 60", network=name)
    with pytest.raises(docker.errors.APIError, match="has active endpoints") as failure:
        network.remove()
    assert failure.value.status_code == 403
    container.remove(force=True)
    with pytest.raises(docker.errors.APIError, match="is a pre-defined network and cannot be removed"):
        client.networks.get("bridge").remove()
    assert [n.name for n in client.networks.list(filters={"label": f"team={name}"})] == [name]


def test_container_that_shares_anothers_network_shares_its_localhost(run: Run) -> None:
    server = run(SERVE, PYTHON)
    probe = run("sleep 60", PYTHON, network_mode=f"container:{server.id}")
    eventually(
        lambda: probe.exec_run(["python", "-c", FETCH, "http://127.0.0.1:8000"]).output == b"200\n",
        "the server on localhost",
    )
