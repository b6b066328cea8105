"""Subnets and chosen addresses, links, the host's network, and how far an inner network reaches."""

from __future__ import annotations

import ipaddress
import random
import socket
import threading
from collections.abc import Callable, Iterator

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network

from tests.deadline import eventually
from tests.engine.conftest import Run

PYTHON = "python:3.12-slim"
SERVE = ["python", "-m", "http.server", "8000"]
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).status)"
ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 9999))
while True:
    data, sender = server.recvfrom(2000)
    server.sendto(b"echo " + data, sender)
"""

MakeNetwork = Callable[..., Network]


@pytest.fixture
def make_network(client: docker.DockerClient, name: str) -> Iterator[MakeNetwork]:
    """Make networks; they are removed after the test, with whatever is still on them cut off."""
    made: list[Network] = []

    def make(subnet: ipaddress.IPv4Network | None = None, **options: object) -> Network:
        if subnet is not None:
            pool = docker.types.IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))
            options["ipam"] = docker.types.IPAMConfig(pool_configs=[pool])
        made.append(client.networks.create(f"{name}-{len(made)}", **options))
        return made[-1]

    yield make
    for network in made:
        network.reload()
        for container in network.containers:
            network.disconnect(container, force=True)
        network.remove()


@pytest.fixture
def subnet() -> ipaddress.IPv4Network:
    """A subnet that, as good as certainly, nobody else on this engine has."""
    return ipaddress.IPv4Network((f"10.{random.randrange(100, 250)}.{random.randrange(256)}.0", 24))


def at(client: docker.DockerClient, network: Network, address: str) -> dict[str, object]:
    """Settings for a container that wants `address` on `network`."""
    endpoint = client.api.create_endpoint_config(ipv4_address=address)
    return {"network": network.name, "networking_config": {network.name: endpoint}}


def answers(probe: Container, url: str) -> bool:
    return bool(probe.exec_run(["python", "-c", FETCH, url]).output == b"200\n")


def addresses(container: Container) -> dict[str, str]:
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    return {name: settings["IPAddress"] for name, settings in networks.items()}


def test_chosen_address_is_shown_and_reached(
    run: Run, client: docker.DockerClient, make_network: MakeNetwork, subnet: ipaddress.IPv4Network
) -> None:
    network = make_network(subnet)
    server = run(SERVE, PYTHON, **at(client, network, str(subnet[9])))
    probe = run("sleep 60", PYTHON, network=network.name)
    assert addresses(server) == {network.name: str(subnet[9])}
    assert ipaddress.ip_address(addresses(probe)[network.name]) in subnet
    settings = server.attrs["NetworkSettings"]["Networks"][network.name]
    assert (settings["Gateway"], settings["IPPrefixLen"]) == (str(subnet[1]), 24)
    eventually(lambda: answers(probe, f"http://{subnet[9]}:8000"), "the server at its address")
    assert str(subnet[9]).encode() in probe.exec_run(["getent", "hosts", server.name]).output
    network.reload()
    assert network.attrs["Containers"][server.id]["IPv4Address"] == f"{subnet[9]}/24"


def test_server_may_bind_its_chosen_address(
    run: Run, client: docker.DockerClient, make_network: MakeNetwork, subnet: ipaddress.IPv4Network
) -> None:
    network = make_network(subnet)
    run([*SERVE, "--bind", str(subnet[9])], PYTHON, **at(client, network, str(subnet[9])))
    probe = run("sleep 60", PYTHON, network=network.name)
    eventually(lambda: answers(probe, f"http://{subnet[9]}:8000"), "the server at the address that it bound")


def test_address_is_refused_when_taken_or_of_another_subnet(
    run: Run, client: docker.DockerClient, make_network: MakeNetwork, subnet: ipaddress.IPv4Network
) -> None:
    network = make_network(subnet)
    run("sleep 60", **at(client, network, str(subnet[9])))
    second = client.containers.create("busybox", "true", **at(client, network, str(subnet[9])))
    try:
        with pytest.raises(docker.errors.APIError, match="Address already in use") as failure:
            second.start()
        assert failure.value.status_code == 403
    finally:
        second.remove(force=True)
    with pytest.raises(docker.errors.APIError, match="no configured subnet or ip-range contain") as failure:
        client.containers.create("busybox", "true", **at(client, network, "192.0.2.7"))
    assert failure.value.status_code == 400


def test_address_is_free_again_when_its_container_has_ended(
    run: Run, client: docker.DockerClient, make_network: MakeNetwork, subnet: ipaddress.IPv4Network
) -> None:
    network = make_network(subnet)
    first = run("sleep 60", **at(client, network, str(subnet[9])))
    first.kill()
    first.wait()
    second = run("sleep 60", **at(client, network, str(subnet[9])))
    assert addresses(second)[network.name] == str(subnet[9])


def test_containers_of_different_networks_do_not_reach_each_others_addresses(
    run: Run, make_network: MakeNetwork, subnet: ipaddress.IPv4Network
) -> None:
    first, second = make_network(subnet), make_network()
    server = run(SERVE, PYTHON, network=first.name)
    neighbour, stranger = (run("sleep 60", PYTHON, network=each.name) for each in (first, second))
    url = f"http://{addresses(server)[first.name]}:8000"
    eventually(lambda: answers(neighbour, url), "the server, for a neighbour")
    assert not answers(stranger, url)
    first.connect(stranger)
    assert answers(stranger, url)


def test_inner_network_has_no_way_out_but_its_members_reach_one_another(
    run: Run, make_network: MakeNetwork
) -> None:
    inner = make_network(internal=True)
    server = run(SERVE, PYTHON, network=inner.name, name=f"{inner.name}-server")
    probe = run("sleep 60", PYTHON, network=inner.name)
    eventually(lambda: answers(probe, f"http://{server.name}:8000"), "the server inside")
    said = probe.exec_run(["python", "-c", FETCH, "http://192.0.2.1/"]).output
    assert b"Network is unreachable" in said


def test_container_without_a_network_has_its_localhost_only(run: Run) -> None:
    container = run(SERVE, PYTHON, network_mode="none")
    eventually(lambda: answers(container, "http://127.0.0.1:8000"), "the server on its own localhost")
    said = container.exec_run(["python", "-c", FETCH, "http://192.0.2.1/"]).output
    assert b"Network is unreachable" in said


def test_linked_container_is_known_by_the_alias(run: Run, name: str) -> None:
    server = run(SERVE, PYTHON, name=name, ports={"8000/tcp": None})
    holder = run("sleep 60", PYTHON, links={name: "shop"})
    eventually(lambda: answers(holder, "http://shop:8000"), "the linked server")
    variables = holder.exec_run("env").output.decode()
    assert f"SHOP_PORT_8000_TCP_ADDR={addresses(server)['bridge']}\n" in variables


def test_link_on_a_user_network_is_its_holders_alone(
    run: Run, client: docker.DockerClient, make_network: MakeNetwork, name: str
) -> None:
    network = make_network()
    server = run(SERVE, PYTHON, network=network.name, name=name)
    endpoint = client.api.create_endpoint_config(links={server.name: "shop"})
    holder = run("sleep 60", PYTHON, network=network.name, networking_config={network.name: endpoint})
    other = run("sleep 60", PYTHON, network=network.name)
    eventually(lambda: answers(holder, "http://shop:8000"), "the linked server")
    assert not answers(other, "http://shop:8000")


def test_host_gateway_leads_to_servers_of_the_machine(embedded_engine: str) -> None:
    # Ours only: a real engine may run on another machine.
    client = docker.DockerClient(base_url=embedded_engine)
    with socket.create_server(("0.0.0.0", 0)) as server:

        def greet() -> None:
            connection, _address = server.accept()
            with connection:
                connection.sendall(b"from the machine")

        thread = threading.Thread(target=greet)
        thread.start()
        code = f"import socket; print(socket.create_connection(('h', {server.getsockname()[1]})).recv(99))"
        try:
            said = client.containers.run(
                PYTHON, ["python", "-c", code], extra_hosts={"h": "host-gateway"}, remove=True
            )
        finally:
            client.close()
            thread.join()
    assert said == b"b'from the machine'\n"


def test_host_mode_serves_on_the_machine_itself(embedded_engine: str) -> None:
    # Ours only: a real engine may run on another machine.
    client = docker.DockerClient(base_url=embedded_engine)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["python", "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    container = client.containers.run(PYTHON, command, network_mode="host", detach=True)

    def reached() -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(reached, "the server on the machine's localhost")
        assert container.exec_run("hostname").output.decode().strip() == socket.gethostname()
    finally:
        container.remove(force=True)
        client.close()


def test_datagrams_reach_a_published_port_and_answers_come_back(run: Run) -> None:
    container = run(["python", "-c", ECHO], PYTHON, ports={"9999/udp": None})
    container.reload()
    port = int(container.ports["9999/udp"][0]["HostPort"])

    def asked() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.sendto(b"hello", ("127.0.0.1", port))
            try:
                return client.recv(2000)
            except (TimeoutError, ConnectionRefusedError):
                return b""

    assert eventually(asked, "an answer to a datagram") == b"echo hello"


def test_port_is_published_for_both_families_with_one_number(run: Run) -> None:
    container = run(SERVE, PYTHON, ports={"8000/tcp": None})
    container.reload()
    published = container.ports["8000/tcp"]
    assert {entry["HostIp"] for entry in published} <= {"0.0.0.0", "::"}
    assert len({entry["HostPort"] for entry in published}) == 1


def test_tcp_and_udp_may_have_the_same_port(run: Run) -> None:
    def published() -> tuple[str, ...]:
        first = run("sleep 60", ports={"80/tcp": None})
        first.reload()
        number = first.ports["80/tcp"][0]["HostPort"]
        try:
            second = run("sleep 60", ports={"80/udp": int(number)})
        except APIError as error:
            if "already in use" in str(error):  # by another program of this machine: try another number
                return ()
            raise
        second.reload()
        return number, second.ports["80/udp"][0]["HostPort"]

    tcp, udp = eventually(published, "a number that is free for both")
    assert tcp == udp
