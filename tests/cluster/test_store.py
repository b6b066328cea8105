"""The store: what was acknowledged is there again, also after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.cluster.api import Api
from dockyard.cluster.controlplane import ControlPlane
from dockyard.cluster.errors import ServiceUnavailable
from dockyard.cluster.kinds import KINDS
from dockyard.cluster.store import CompactedError, Store, StoreUnavailableError
from dockyard.wire.clock import FakeClock

WRITER = """
import sys
from pathlib import Path
from dockyard.cluster.controlplane import ControlPlane
from dockyard.wire.clock import SystemClock
plane = ControlPlane(Path(sys.argv[1]), SystemClock())
number = 0
while True:
    plane.api.create("ConfigMap", {"metadata": {"name": f"c{number}"}, "data": {"n": str(number)}})
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("acknowledged", [1, 57, 300])
def test_acknowledged_writes_survive_kill_9(tmp_path: Path, acknowledged: int) -> None:
    state = tmp_path / "state.sqlite"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, str(state)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        last = -1
        while last < acknowledged:
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        for line in writer.stdout:
            last = int(line) if line.endswith("\n") else last
    plane = ControlPlane(state, FakeClock())
    names = {obj["metadata"]["name"] for obj in plane.api.list("ConfigMap", "default")}
    assert {f"c{number}" for number in range(last + 1)} <= names
    plane.close()


def test_revision_never_goes_back_and_uids_stay(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    plane = ControlPlane(state, FakeClock())
    plane.api.create("ConfigMap", {"metadata": {"name": "kept"}})
    plane.api.create("ConfigMap", {"metadata": {"name": "dropped"}})
    plane.api.delete("ConfigMap", "dropped")
    before, revision = plane.api.get("ConfigMap", "kept"), plane.store.revision
    plane.close()
    plane = ControlPlane(state, FakeClock())
    assert plane.store.revision == revision
    assert plane.api.get("ConfigMap", "kept") == before
    assert plane.api.find("ConfigMap", "dropped") is None
    with pytest.raises(CompactedError):
        plane.store.since(revision - 1)
    assert plane.store.since(revision) == []
    plane.close()


def test_second_process_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    with pytest.raises(StoreUnavailableError, match="locked"):
        Store(tmp_path / "state.sqlite")
    store.close()


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"nowhere/state\.sqlite"):
        Store(tmp_path / "nowhere" / "state.sqlite")


def test_failed_write_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    api = Api(store, FakeClock())
    api.create("Namespace", {"metadata": {"name": "default"}})
    revision = store.revision
    seen: list[object] = []
    store.subscribe(seen.append)
    store._db.execute("PRAGMA max_page_count=1")  # as a full disk

    def fill() -> None:
        for number in range(100):
            api.create("ConfigMap", {"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 50_000}})

    with pytest.raises(ServiceUnavailable, match="full"):
        fill()
    stored = len(api.list("ConfigMap", "default"))
    assert len(seen) == store.revision - revision
    assert stored == 1 + len(seen)  # kube-root-ca.crt and what fitted
    store.close()


def test_objects_are_copies() -> None:
    store = Store(None)
    store.put(
        "ConfigMap",
        {"metadata": {"name": "a", "namespace": "n"}, "data": {"x": "1"}},
        KINDS["ConfigMap"].prefix,
    )
    record = store.get("ConfigMap", "n", "a")
    assert record is not None
    record.load()["data"]["x"] = "2"
    assert record.load()["data"]["x"] == "1"
    store.close()
