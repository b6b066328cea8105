"""The recorded scenarios of a real cluster as a whole: all are played, and nearly all goes as recorded."""

from __future__ import annotations

import json

from tests.cluster.scenarios import DATA, known, scenarios

RECORDED = 50  # in all


def test_every_scenario_is_played() -> None:
    found = scenarios()
    assert len(found) == RECORDED
    assert all(scenario.compared for scenario in found)


def test_more_than_nine_in_ten_go_as_recorded() -> None:
    found = scenarios()
    compared = sum(scenario.compared for scenario in found)
    different = sum(len(scenario.different) for scenario in found)
    assert compared > 500
    assert different < compared / 10


def test_every_difference_has_its_reason() -> None:
    assert all(len(why) > 20 for scenario in scenarios() for why in scenario.different.values())


def test_differences_name_recorded_objects() -> None:
    for section in ("timelines", "stateful"):
        for name, role in known(section):
            assert role in json.loads((DATA / section / f"{name}.json").read_text())["objects"]
