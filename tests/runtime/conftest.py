"""What tests of the runtime share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dockyard.runtime.drivers.choose import NAMES
from dockyard.runtime.errors import NoDriver
from dockyard.runtime.network import Network
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock
from tests.runtime.box import Box
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


@pytest.fixture(params=NAMES)
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Box]:
    """Containers under each driver that works on this machine, without the network's filter."""
    try:
        runtime = await Runtime.open(
            tmp_path / "home", clock=SystemClock(), driver=request.param, network=False
        )
    except NoDriver as reason:
        pytest.skip(str(reason))
    yield Box(runtime, tmp_path)
    await runtime.close()
