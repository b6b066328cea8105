"""A cluster on a fake clock for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.cluster.harness import FakeCluster


@pytest_asyncio.fixture
async def three_nodes(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    made = await FakeCluster(tmp_path, nodes=("a", "b", "c")).start()
    yield made
    await made.stop()
