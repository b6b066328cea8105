"""A rollout's picture says in words which request failed how long after which Pod was told to stop."""

from __future__ import annotations

import base64
import re

from dockyard.exercises import Request, Traffic
from dockyard.views.rollout import show_rollout
from tests.rollouts import ROLLOUT, replayed


def traffic(*, refused: int) -> Traffic:
    answered = [Request(n, 100.5 + n / 10, 200, 5.0, pod="old", version="1") for n in range(26)]
    failed = [Request(26 + n, 103.2 + n / 10, None, 0.0, error="refused") for n in range(refused)]
    later = [Request(30 + n, 104.0 + n / 10, 200, 5.0, pod="new", version="2") for n in range(10)]
    return Traffic([*answered, *failed, *later])


def test_failed_requests_stand_beside_the_pod_that_was_told_to_stop() -> None:
    page = show_rollout(traffic(refused=3), replayed(*ROLLOUT), "1 to 2")
    assert "3 of 39 requests failed: 3 of them 0.10 to 0.30 s after old was told to stop." in page.text
    image = re.search(r'src="data:image/png;base64,([^"]+)"', page.html)
    assert image is not None
    assert base64.b64decode(image.group(1)).startswith(b"\x89PNG")


def test_each_pod_has_a_row_with_its_moments_and_its_exit_code() -> None:
    rows = show_rollout(traffic(refused=1), replayed(*ROLLOUT)).text.splitlines()
    old = next(row.split() for row in rows if row.startswith("old"))
    assert old[:3] == ["old", "1", "before"]
    assert "143" in old
    assert any(row.startswith("new") and "2.50 s" in row for row in rows)


def test_a_rollout_without_failures_says_so_and_one_without_requests_too() -> None:
    assert "All 36 requests were answered." in show_rollout(traffic(refused=0), replayed(*ROLLOUT)).text
    assert "No requests" in show_rollout(Traffic(), replayed(*ROLLOUT)).text
