"""A Pod's way through a rollout, put together from what a watch saw."""

from __future__ import annotations

from tests.rollouts import ROLLOUT, pod, replayed

from dockyard.exercises import Request, blamed, lives


def test_a_pod_is_followed_from_the_endpoints_to_its_exit_code() -> None:
    old, new = lives(replayed(*ROLLOUT), "app=web")
    assert (old.told, old.left, old.gone, old.exits) == (103.1, 103.2, 104.0, {"app": 143})
    assert (new.joined, new.told, new.left, new.exits) == (103.0, None, None, {})


def test_a_pod_that_was_in_the_endpoints_before_the_watch_joined_with_its_beginning() -> None:
    old = lives(replayed(*ROLLOUT[:2]))[0]
    assert old.joined == 100.0


def test_a_container_that_ended_before_its_pod_was_told_to_stop_is_no_exit_of_the_rollout() -> None:
    only = lives(replayed((100.0, "pods", "ADDED", pod("a", code=1))))[0]
    assert only.exits == {}


def test_a_failed_request_belongs_to_the_pod_that_was_told_to_stop_last() -> None:
    pods = lives(replayed(*ROLLOUT))
    refused = Request(1, 103.4, None, 20.0, error="refused")
    assert (found := blamed(refused, pods)) is not None
    assert found.name == "old"
    assert blamed(Request(2, 102.0, None, 20.0), pods) is None
    assert blamed(Request(3, 130.0, None, 20.0), pods) is None
