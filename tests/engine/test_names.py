"""Names that the engine makes up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockyard.engine import names
from tests.engine.build.served import Served


def test_containers_that_are_created_at_one_moment_get_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_MOODS", "calm")
    monkeypatch.setattr(names, "_SAILORS", "cook")
    served = Served(tmp_path / "home")
    try:
        served.client.images.pull("busybox", "latest")
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: served.client.containers.create("busybox", "true"), range(32)))
        given = [container.name for container in made]
        assert len(set(given)) == 32
        assert all(name.startswith("calm_cook") for name in given)
    finally:
        served.close()
