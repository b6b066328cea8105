"""The questions that checks ask of a log of requests."""

from __future__ import annotations

import math

from dockyard.exercises.traffic import Request, Traffic, parse

LOG = Traffic(
    [
        Request(0, 100.0, 200, 10.0, pod="a", version="1"),
        Request(1, 101.0, None, 5.0, error="refused"),
        Request(2, 102.0, 503, 20.0, pod="b"),
        Request(3, 103.0, 200, 40.0, pod="a"),
    ]
)


def test_failures_are_errors_and_statuses_from_400_on() -> None:
    assert [request.n for request in LOG.failed] == [1, 2]
    assert len(LOG.ok) == 2


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    assert [request.n for request in LOG.between(101.0, 103.0)] == [1, 2]
    assert [request.n for request in LOG.since(103.0)] == [3]


def test_requests_are_counted_by_what_one_asks() -> None:
    assert LOG.by("label") == {"200": 2, "refused": 1, "503": 1}
    assert LOG.by("pod")["a"] == 2


def test_quantiles_count_answered_requests_only() -> None:
    assert LOG.quantile(0.5) == 20.0
    assert LOG.quantile(1.0) == 40.0
    assert math.isnan(Traffic().quantile(0.5))


def test_the_outage_ends_with_the_first_good_answer() -> None:
    assert LOG.outage == 2.0
    assert LOG.ok.outage == 0.0


def test_lines_that_are_no_requests_are_none() -> None:
    assert parse('{"started": 1.5}') is None
    assert parse("Traceback (most recent call last):") is None
    assert parse('{"n": 1, "t": 2.0, "status": 200, "latency_ms": 3.0}') == Request(1, 2.0, 200, 3.0)
