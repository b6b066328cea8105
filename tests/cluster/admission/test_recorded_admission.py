"""What policies of a namespace refused and warned of on a real cluster, asked again with kubectl."""

from __future__ import annotations

import pytest

from tests.cluster.admission.conftest import RECORDINGS, Play

NAMES = ("limitrange-defaults", "pod-security-admission", "resourcequota-exceeded")


def test_every_recording_is_played() -> None:
    assert {path.stem for path in RECORDINGS.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_kubectl_is_told_what_was_recorded(name: str, play: Play) -> None:
    for ours, recorded in play(name):
        assert ours == recorded
