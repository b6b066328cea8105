"""No fault outlives the block, or the process, that caused it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.errors import UserError
from dockyard.exercises.faults import Faults


class Recording:
    """A backend that notes what is asked of it."""

    name = "recording"
    docker_host = ""
    kubeconfig = Path()

    def __init__(self, *, refuses: bool = False) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.refuses = refuses

    def up(self) -> dict[str, Any]:
        return {}

    def down(self) -> None:
        """Nothing to stop."""

    def status(self) -> dict[str, Any] | None:
        return {}

    def cut(self, namespace: str, selector: str) -> None:
        if self.refuses:
            raise UserError("no such Pods")
        self.calls.append(("cut", namespace, selector))

    def restore(self, namespace: str, selector: str) -> None:
        self.calls.append(("restore", namespace, selector))


def test_a_cut_is_restored_when_its_block_raises(tmp_path: Path) -> None:
    backend = Recording()
    with pytest.raises(ZeroDivisionError), Faults(backend, tmp_path).cut("ns", "app=db"):
        _ = 1 / 0
    assert backend.calls == [("cut", "ns", "app=db"), ("restore", "ns", "app=db")]
    assert list(tmp_path.iterdir()) == []


def test_a_cut_knows_its_interval(tmp_path: Path) -> None:
    with Faults(Recording(), tmp_path).cut("ns", "app=db") as cut:
        assert cut.end == 0.0
    assert cut.end >= cut.start > 0


def test_what_a_killed_process_cut_is_restored_from_the_journal(tmp_path: Path) -> None:
    backend = Recording()
    (tmp_path / "a.json").write_text('{"namespace": "ns", "selector": "app=db"}')
    (tmp_path / "b.json").write_text('{"namespace": "other", "selector": "app=db"}')
    (tmp_path / "c.json").write_text('{"namespace": "n')
    assert Faults(backend, tmp_path).restore_all("ns") == 2
    assert backend.calls == [("restore", "ns", "app=db")]
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_a_refused_cut_leaves_no_entry(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="no such Pods"),
        Faults(Recording(refuses=True), tmp_path).cut("ns", "x"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


class Growing(Recording):
    """A backend that can add nodes, too."""

    def add_node(self, name: str, memory: str) -> None:
        self.calls.append(("add", name, memory))

    def remove_node(self, name: str) -> None:
        self.calls.append(("remove", name, ""))


def test_a_node_of_its_own_is_removed_when_its_block_raises(tmp_path: Path) -> None:
    backend = Growing()
    with pytest.raises(ZeroDivisionError), Faults(backend, tmp_path).node("ns", "512Mi"):
        _ = 1 / 0
    assert backend.calls == [("add", "ns", "512Mi"), ("remove", "ns", "")]
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_a_killed_process_left_is_removed_from_the_journal(tmp_path: Path) -> None:
    backend = Growing()
    (tmp_path / "a.json").write_text('{"namespace": "ns", "node": "ns"}')
    assert Faults(backend, tmp_path).restore_all("ns") == 1
    assert backend.calls == [("remove", "ns", "")]
    assert list(tmp_path.iterdir()) == []


def test_a_backend_that_makes_no_nodes_gives_none(tmp_path: Path) -> None:
    with Faults(Recording(), tmp_path).node("ns", "512Mi") as name:
        assert name == ""
