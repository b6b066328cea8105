"""Three nodes on a fake clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.cluster.harness import FakeCluster

Start = Callable[..., Awaitable[FakeCluster]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a cluster of the nodes a, b and c, each offering `offer`; it is stopped at the end."""
    started: list[FakeCluster] = []

    async def begin(**offer: str) -> FakeCluster:
        cluster = FakeCluster(tmp_path, nodes=("a", "b", "c"), offer=offer)
        started.append(cluster)
        return await cluster.start()

    yield begin
    for cluster in started:
        await cluster.stop()


@pytest.fixture
async def cluster(start: Start) -> FakeCluster:
    """Such a cluster, each node as big as this machine."""
    return await start()
