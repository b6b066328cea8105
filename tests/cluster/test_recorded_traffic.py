"""Recorded traffic during changes of a Service's Pods, played again on a fake clock: which requests fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness import FakeCluster
from tests.cluster.test_recorded_timelines import RECORDINGS, SCENARIOS, Replay
from tests.cluster.traffic import Traffic


async def replayed(name: str, root: Path) -> tuple[Traffic, dict[str, Any]]:
    """Our requests, and what was observed of the recorder's."""
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    cluster = await FakeCluster(root, offer={"cpu": "2", "memory": "24684084Ki"}).start()
    play = Replay(cluster, recording)
    await SCENARIOS[name](play)
    await cluster.stop()
    return play.traffic, recording["observed"]


async def test_no_request_fails_when_pods_wait_before_they_end(tmp_path: Path) -> None:
    traffic, recorded = await replayed("traffic-rolling-update-prestop", tmp_path)
    assert len(traffic.requests) > 1900
    assert (len(traffic.failed), recorded["failed"]) == (0, 0)


@pytest.mark.parametrize(
    "name",
    ["traffic-rolling-update-plain", "traffic-rolling-update-no-readiness", "traffic-endpoint-propagation"],
)
async def test_about_as_many_requests_fail_as_were_recorded(name: str, tmp_path: Path) -> None:
    traffic, recorded = await replayed(name, tmp_path)
    share = len(traffic.failed) / len(traffic.requests)
    before = recorded["failed"] / recorded["requests"]
    # How many meet a Pod that has gone depends on how long each took to end, and on whose turn it was.
    assert before / 2 < share < before * 2, (len(traffic.failed), len(traffic.requests), recorded)


async def test_requests_fail_only_while_a_service_has_no_pods(tmp_path: Path) -> None:
    """Not when a Pod becomes unready, nor when one comes, is deleted by itself, or has a broken successor."""
    traffic, _ = await replayed("traffic-endpoint-propagation", tmp_path)
    assert traffic.failed
    assert traffic.notes["nobody"] < min(traffic.failed)
    assert max(traffic.failed) < traffic.notes["again"]
