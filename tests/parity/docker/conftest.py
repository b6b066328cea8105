"""The replay, begun for what will be tested, so that conversations which wait do so together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import busybox
from tests.parity.docker.recordings import conversations
from tests.parity.docker.replay import Replay


@pytest.fixture(scope="session")
def replay(request: pytest.FixtureRequest) -> Iterator[Replay]:
    """All conversations that this session asks for, being played."""
    if os.geteuid() != 0:
        pytest.skip("the recorder's containers had files and processes of many users, which takes root")
    chosen = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "replay" in item.fixturenames
    ]
    told = conversations()
    with tempfile.TemporaryDirectory(prefix="dy-parity-") as directory:
        program = busybox.find(Path(directory))
        if program is None:
            pytest.skip("no static BusyBox on this machine or from apt, of which the recorder's image is")
        playing = Replay(Path(directory), program)
        # Those that wait longest come first, and the others fill the time.
        playing.start(sorted(chosen, key=lambda name: -told[name]["seconds"]))
        yield playing
        playing.close()
