"""How fast an autoscaler lets the number of replicas change."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.autoscaling.behaviour import History, judge


def spec(most: int = 100, *, up: Any = None, down: Any = None, behaved: bool = True) -> dict[str, Any]:
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    behavior = {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
            **(up or {}),
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [percent], **(down or {})},
    }
    return {"minReplicas": 1, "maxReplicas": most, **({"behavior": behavior} if behaved else {})}


def run(rules: dict[str, Any], current: int, wishes: list[tuple[float, int]]) -> list[tuple[int, str, str]]:
    """The replicas after each wish, with the reasons of both conditions."""
    history, found = History(), []
    for now, desired in wishes:
        judged = judge(rules, history, current, desired, now)
        history.note_change(current, judged.replicas, now)
        current = judged.replicas
        found.append((current, judged.able[1], judged.limited[1]))
    return found


def test_up_goes_by_four_or_by_double_whichever_is_more() -> None:
    assert run(spec(), 1, [(0, 90), (15, 90), (30, 90)]) == [
        (5, "ReadyForNewScale", "ScaleUpLimit"),
        (10, "ReadyForNewScale", "ScaleUpLimit"),
        (20, "ReadyForNewScale", "ScaleUpLimit"),
    ]


def test_changes_within_a_period_count_together() -> None:
    rules = spec(up={"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]})
    assert [found[0] for found in run(rules, 1, [(0, 9), (15, 9), (30, 9), (61, 9)])] == [3, 3, 3, 5]


def test_the_smaller_policy_counts_with_min() -> None:
    assert [found[0] for found in run(spec(up={"selectPolicy": "Min"}), 1, [(0, 90), (15, 90)])] == [2, 4]


def test_a_disabled_direction_never_moves() -> None:
    down = spec(down={"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0})
    assert run(down, 8, [(0, 2)]) == [(8, "ReadyForNewScale", "ScaleDownLimit")]


def test_down_waits_for_the_highest_wish_of_the_window() -> None:
    found = run(
        spec(down={"stabilizationWindowSeconds": 60}), 4, [(0, 8), (15, 2), (45, 3), (61, 2), (106, 2)]
    )
    assert found == [
        (8, "ReadyForNewScale", "DesiredWithinRange"),
        (8, "ScaleDownStabilized", "DesiredWithinRange"),
        (8, "ScaleDownStabilized", "DesiredWithinRange"),
        (3, "ScaleDownStabilized", "DesiredWithinRange"),
        (2, "ReadyForNewScale", "DesiredWithinRange"),
    ]


def test_up_waits_for_the_lowest_wish_of_its_window() -> None:
    found = run(spec(up={"stabilizationWindowSeconds": 30}), 2, [(0, 3), (15, 6), (31, 6)])
    assert [(n, able) for n, able, _ in found] == [
        (2, "ScaleUpStabilized"),
        (2, "ScaleUpStabilized"),
        (6, "ReadyForNewScale"),
    ]


def test_down_is_limited_by_a_percentage() -> None:
    half = [{"type": "Percent", "value": 50, "periodSeconds": 60}]
    rules = spec(down={"stabilizationWindowSeconds": 0, "policies": half})
    assert [found[0] for found in run(rules, 8, [(0, 1), (15, 1), (61, 1)])] == [4, 4, 2]


@pytest.mark.parametrize(
    ("most", "desired", "replicas", "reason"),
    [(3, 9, 3, "TooManyReplicas"), (50, 40, 10, "ScaleUpLimit"), (50, 0, 5, "DesiredWithinRange")],
)
def test_without_behaviour_it_doubles_at_most_and_waits_five_minutes_downwards(
    most: int, desired: int, replicas: int, reason: str
) -> None:
    current = min(most, 5)
    (found,) = run(spec(most, behaved=False), current, [(0, desired)])
    assert found[0] == replicas
    assert found[2] == reason
