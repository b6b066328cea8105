"""Addresses out of a group's subnet, and sandboxes without a way out, over the death of a worker too."""

from __future__ import annotations

import asyncio
import socket

import pytest

from dockyard.runtime.network import Network
from tests.runtime.small_parent import SmallParent
from tests.runtime.test_supervisor import call, serve

SUBNET, GATEWAY, SERVER = "10.203.0.0/24", "10.203.0.1", "10.203.0.9"


@pytest.fixture
def shop(network: Network) -> Network:
    """Two sandboxes in a group with a subnet, `orders` without a way out; `stranger` is elsewhere."""
    network.set_subnet("shop", SUBNET, GATEWAY)
    network.attach("database", groups=["shop"], addresses={"shop": SERVER})
    network.attach("orders", groups=["shop"], outside=False, addresses={"shop": "10.203.0.10"})
    network.attach("stranger", groups=["elsewhere"])
    return network


async def test_worker_started_anew_knows_subnets_and_ways_out(shop: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    for _ in range(2):
        assert await call(parent, "orders", SERVER) == "database got hello"
        assert await call(parent, "orders", "192.0.2.1") == "OSError"  # ENETUNREACH
        assert await call(parent, "stranger", SERVER, timeout=0.5) == "TimeoutError"
        parent.kill_worker()
        parent.start_worker()


async def test_nobody_at_an_address_of_the_subnet_is_no_route(shop: Network, parent: SmallParent) -> None:
    assert await call(parent, "orders", "10.203.0.77") == "OSError"  # EHOSTUNREACH


async def test_gateway_of_the_subnet_is_the_machine_for_those_with_a_way_out(
    shop: Network, parent: SmallParent
) -> None:
    code = "import socket; print(socket.create_connection(('{}', {}), timeout=10).recv(9))"
    with socket.create_server(("0.0.0.0", 0)) as server:
        program = parent.python("database", code.format(GATEWAY, server.getsockname()[1]))
        connection, _address = await asyncio.to_thread(server.accept)
        with connection:
            connection.sendall(b"machine")
        assert await program.output() == "b'machine'"
        assert await call(parent, "orders", GATEWAY, server.getsockname()[1]) == "OSError"


async def test_sandbox_that_leaves_the_group_loses_its_address_there(
    shop: Network, parent: SmallParent
) -> None:
    await serve(parent, "database")
    shop.leave("database", "shop")
    assert await call(parent, "orders", SERVER) == "OSError"  # EHOSTUNREACH: nobody has it now
    shop.join("database", "shop", "10.203.0.20")
    assert await call(parent, "orders", "10.203.0.20") == "database got hello"


async def test_group_without_its_subnet_leads_outside_again(shop: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    shop.remove_subnet("shop")
    assert await call(parent, "orders", SERVER) == "OSError"  # ENETUNREACH
    shop.set_outside("orders", True)
    shop.set_subnet("shop", SUBNET, GATEWAY)
    assert await call(parent, "orders", SERVER) == "database got hello"
