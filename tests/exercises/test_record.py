"""What a watch remembers of Pods and endpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dockyard.exercises.live import Live
from dockyard.exercises.record import Record, matches


def pod(name: str, version: int, restarts: int, *, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": name, "resourceVersion": str(version), "labels": {"app": "web"}},
        "status": {
            "containerStatuses": [{"name": "web", "restartCount": restarts}],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def endpoints(version: int, *ready: bool) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "web-1",
            "uid": "e",
            "resourceVersion": str(version),
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "endpoints": [
            {"addresses": [f"10.0.0.{i}"], "conditions": {"ready": r}} for i, r in enumerate(ready)
        ],
    }


def record() -> Record:
    return Record(Live("ns", Path("/nonexistent")))


def test_restarts_count_from_what_was_there_first() -> None:
    seen = record()
    seen.started = seen.learn("pods", "ADDED", pod("a", 1, 5)) or 1e12
    seen.learn("pods", "MODIFIED", pod("a", 2, 6))
    seen.learn("pods", "MODIFIED", pod("a", 3, 8))
    assert seen.restarts("app=web") == 3
    assert seen.restarts("a") == 3
    assert seen.restarts("app=other") == 0


def test_a_repetition_after_a_reconnect_is_no_change() -> None:
    seen = record()
    seen.learn("pods", "ADDED", pod("a", 1, 0))
    seen.replace("pods", [pod("a", 1, 0)])
    assert len(seen.changes) == 1


def test_what_is_not_in_a_fresh_list_has_gone() -> None:
    seen = record()
    seen.learn("pods", "ADDED", pod("a", 1, 0))
    seen.replace("pods", [pod("b", 2, 0)])
    assert [(change.type, change.name) for change in seen.changes[1:]] == [("DELETED", "a"), ("ADDED", "b")]


def test_ready_addresses_are_steps_over_time() -> None:
    seen = record()
    for version, states in enumerate([(True, True), (True, False), (False, False), (True, True)]):
        seen.learn("endpointslices", "MODIFIED", endpoints(version, *states))
    assert [count for _, count in seen.ready("web")][-4:] == [2, 1, 0, 2]
    last = seen.changes[-1].t
    assert seen.ready("web", since=last) == [(last, 2)]


def test_marks_tell_restarts_and_readiness() -> None:
    seen = record()
    seen.learn("pods", "ADDED", pod("a", 1, 0))
    seen.learn("pods", "MODIFIED", pod("a", 2, 0, ready=False))
    seen.learn("pods", "MODIFIED", pod("a", 3, 1, ready=False))
    assert [mark.text for mark in seen.marks()][-2:] == ["a not ready", "a restarted"]


def test_selectors_are_names_or_labels() -> None:
    assert matches(pod("a", 1, 0), "a")
    assert matches(pod("a", 1, 0), "app=web")
    assert not matches(pod("a", 1, 0), "app=web,tier=x")
