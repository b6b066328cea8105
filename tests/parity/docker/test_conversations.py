"""Conversations that clients had with a real Docker Engine, had again with ours, step by step."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.parity.docker.recordings import conversations, differing, explained, share
from tests.parity.docker.replay import Replay, described

CONVERSATIONS = sorted(name for name in conversations() if not name.startswith("compose/"))
"""Those of docker compose are played in tests/engine/compose."""
KNOWN, CHANCE = differing()


@pytest.mark.timeout(400)  # the first one waits for engines and images
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation_goes_as_with_a_real_engine(name: str, replay: Replay) -> None:
    if os.geteuid() != 0:
        pytest.skip("the recorder's containers had files and processes of many users, which takes root")
    if name.startswith(("cli/", "offline/cli")) and not shutil.which("docker"):
        pytest.skip("no docker command line on this machine")
    known, chance = explained(KNOWN.get(name, {})), explained(CHANCE.get(name, {}))
    differences = {difference.step: difference for difference in replay.differences(name)}
    if differences.keys() - known - chance or known - differences.keys():
        # A busy machine may start a program later than the recorder's did: what counts is what differs twice.
        second = {difference.step: difference for difference in replay.again(name)}
        differences = {step: one for step, one in second.items() if step in differences or step in known}
    unexpected = [one for step, one in sorted(differences.items()) if step not in known | chance]
    assert not unexpected, "\n".join(described(difference) for difference in unexpected)
    gone = sorted(known - differences.keys())
    assert not gone, f"steps {gone} go as recorded by now: take them off known.toml"


def test_nine_tenths_of_all_scenarios_go_as_recorded() -> None:
    assert KNOWN.keys() | CHANCE.keys() <= set(CONVERSATIONS)
    differ, recorded = share()
    assert recorded > 200
    assert differ < recorded / 10
    given = [reason for reasons in (*KNOWN.values(), *CHANCE.values()) for reason in reasons.values()]
    assert all(len(reason) > 20 for reason in given)
