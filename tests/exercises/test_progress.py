"""Progress survives restarts, damage and two writers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dockyard.errors import UserError
from dockyard.exercises.finding import Finding
from dockyard.exercises.progress import Progress
from dockyard.exercises.verdict import Verdict


def verdict(holds: bool | None) -> Verdict:
    return Verdict("06.1", (Finding("a", "a is so", holds),))


def test_attempts_and_the_first_pass_are_kept(tmp_path: Path) -> None:
    for holds in (False, None, True, False):
        Progress(tmp_path).attempted(verdict(holds))
    entry = Progress(tmp_path).exercise("06.1")
    assert entry["attempts"] == 3  # what could not be judged isn't counted
    assert entry["passed_at"]


def test_a_prediction_is_locked_once_it_is_measured(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.predict("06.p", "how many?", 1)
    progress.predict("06.p", "how many?", 2)
    assert progress.measure("06.p", 5)["guess"] == 2
    assert progress.predict("06.p", "how many?", 5)["guess"] == 2


def test_measuring_first_does_not_lock_out_a_prediction(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert "guess" not in progress.measure("06.p", 5)
    assert progress.predict("06.p", "how many?", 4)["guess"] == 4


def test_a_damaged_file_is_set_aside_not_thrown_away(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.file.write_text('{"exercises": {"06.1"')
    assert progress.exercise("06.1")["attempts"] == 0
    progress.attempted(verdict(True))
    assert progress.exercise("06.1")["attempts"] == 1
    assert [path.read_text() for path in tmp_path.glob("progress.damaged-*")] == ['{"exercises": {"06.1"']


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def many() -> None:
        for _ in range(20):
            Progress(tmp_path).attempted(verdict(False))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Progress(tmp_path).exercise("06.1")["attempts"] == 80


def test_a_place_that_cannot_be_written_gives_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot keep progress"):
        Progress(tmp_path / "file").attempted(verdict(True))
