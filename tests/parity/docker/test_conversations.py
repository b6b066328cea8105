"""Conversations that clients had with a real Docker Engine, had again with ours, step by step."""

from __future__ import annotations

import shutil

import pytest

from tests.parity.docker.recordings import conversations, differing, explained, share
from tests.parity.docker.replay import Replay, described

CONVERSATIONS = sorted(name for name in conversations() if not name.startswith("compose/"))
"""Those of docker compose are played in tests/engine/compose."""
KNOWN, CHANCE = differing()
REPEATS = 3
"""How often a conversation that went otherwise is had again before it counts."""


@pytest.mark.timeout(400)  # the first one waits for engines and images
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation_goes_as_with_a_real_engine(name: str, replay: Replay) -> None:
    if name.startswith(("cli/", "offline/cli")) and not shutil.which("docker"):
        pytest.skip("no docker command line on this machine")
    known, chance = explained(KNOWN.get(name, {})), explained(CHANCE.get(name, {}))
    first = {difference.step: difference for difference in replay.differences(name)}
    unexpected = {step: one for step, one in first.items() if step not in known | chance}
    gone = known - first.keys()
    for _ in range(REPEATS):
        if not unexpected and not gone:
            break
        # A busy machine may start a program later than the recorder's did: what differs every time counts.
        seen = {difference.step for difference in replay.again(name)}
        unexpected = {step: one for step, one in unexpected.items() if step in seen}
        gone -= seen
    assert not unexpected, "\n".join(described(one) for _, one in sorted(unexpected.items()))
    assert not gone, f"steps {sorted(gone)} go as recorded by now: take them off known.toml"


def test_nine_tenths_of_all_scenarios_go_as_recorded() -> None:
    assert KNOWN.keys() | CHANCE.keys() <= set(CONVERSATIONS)
    differ, recorded = share()
    assert recorded > 200
    assert differ < recorded / 10
    given = [reason for reasons in (*KNOWN.values(), *CHANCE.values()) for reason in reasons.values()]
    assert all(len(reason) > 20 for reason in given)
