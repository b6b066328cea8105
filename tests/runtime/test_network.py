"""The daemon's side: addresses, blocks, and what it says of sandboxes it doesn't have."""

import socket
from pathlib import Path

import pytest

from dockyard.runtime.addresses import Block, claim_block
from dockyard.runtime.network import Network, UnknownSandboxError


async def test_two_homes_have_blocks_of_their_own(tmp_path: Path) -> None:
    first, second = Network(tmp_path / "one"), Network(tmp_path / "one")
    assert first.block.number != second.block.number
    await first.close()
    await second.close()


def test_home_gets_the_same_block_again(tmp_path: Path) -> None:
    block, held = claim_block(str(tmp_path))
    held.close()
    again, held = claim_block(str(tmp_path))
    held.close()
    assert again == block


async def test_sandbox_keeps_its_address_while_attached_and_may_ask_for_it_later(network: Network) -> None:
    address = network.attach("web", groups=["shop"]).address
    assert network.attach("web", groups=["other"]).address == address
    network.detach("web")
    assert network.attach("new").address != address
    assert network.attach("web", address=address).address == address
    assert network.attach("thief", address=address).address != address
    assert network.attach("foreign", address="127.0.0.1").address.startswith(f"127.{network.block.number}.")


async def test_localhost_is_always_in_the_upper_half(network: Network) -> None:
    described = network.sandbox("orders")
    assert socket.inet_aton(described.localhost)[1] == socket.inet_aton(described.address)[1] + 128


async def test_unknown_sandbox_is_named(network: Network) -> None:
    for use in (
        network.sandbox,
        lambda name: network.join(name, "shop"),
        lambda name: network.leave(name, "shop"),
    ):
        with pytest.raises(UnknownSandboxError, match="'ghost'"):
            use("ghost")
    with pytest.raises(UnknownSandboxError, match="'ghost'"):
        await network.dial("ghost", 80)
    network.detach("ghost")


def test_block_has_room_for_sixty_thousand_sandboxes_and_then_says_so() -> None:
    block = Block(16, 0)
    addresses = {block.sandbox(index) for index in range(64000)}
    assert len(addresses) == 64000
    assert not addresses & {block.gateway, block.dns, block.hole}
    with pytest.raises(OSError, match="all addresses of"):
        block.sandbox(254 * 255)


@pytest.mark.parametrize(
    ("floor", "port", "real"), [(0, 80, 80), (1024, 80, 61080), (1024, 8000, 8000), (1024, 0, 0)]
)
def test_low_ports_move_only_where_they_must(floor: int, port: int, real: int) -> None:
    assert Block(16, floor).real_port(port) == real
