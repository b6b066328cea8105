"""What tests of the runtime share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dockyard.runtime.network import Network
from tests.runtime.small_parent import SmallParent


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    """A network of its own, with `orders` and `database` in one group and `stranger` in another."""
    network = Network(tmp_path)
    await network.start()
    network.attach("orders", groups=["shop"])
    network.attach("database", groups=["shop"])
    network.attach("stranger", groups=["elsewhere"])
    yield network
    await network.close()


@pytest.fixture
async def parent(network: Network) -> AsyncIterator[SmallParent]:
    """Runs programs in those sandboxes."""
    with SmallParent(network) as parent:
        yield parent
