"""What findings add up to, and what a reader is told."""

from __future__ import annotations

import json

from dockyard.exercises.claims import Claims
from dockyard.exercises.finding import Finding
from dockyard.exercises.verdict import Verdict

TRUE = Finding("a", "a is so", True)
FALSE = Finding("b", "b is so", False, observed="it is not", hint="look at b")
OPEN = Finding("c", "c is so", None)


def test_a_verdict_passes_only_when_every_claim_holds() -> None:
    assert Verdict("1.1", (TRUE,)).passed is True
    assert Verdict("1.1", (TRUE, FALSE, OPEN)).passed is False
    assert Verdict("1.1", (TRUE, OPEN)).passed is None
    assert Verdict("1.1", ()).passed is None
    assert Verdict("1.1", (TRUE,), trouble="no cluster").passed is None
    assert [Verdict("1.1", (f,)).exit_status for f in (TRUE, FALSE, OPEN)] == [0, 1, 2]


def test_what_a_backend_cannot_show_is_told_from_what_was_not_judged() -> None:
    beyond = Finding("d", "d is so", None, observed="cannot be judged here: no cgroups")
    assert Verdict("1.1", (TRUE, beyond)).out_of_reach
    assert not Verdict("1.1", (TRUE, beyond, OPEN)).out_of_reach
    assert not Verdict("1.1", (FALSE, beyond)).out_of_reach
    assert not Verdict("1.1", (beyond,), trouble="no cluster").out_of_reach
    assert not Verdict("1.1", (TRUE,)).out_of_reach
    assert not Verdict("1.1", ()).out_of_reach


def test_what_failed_comes_first() -> None:
    ordered = Verdict("1.1", (TRUE, OPEN, FALSE)).ordered()
    assert [finding.id for finding in ordered.findings] == ["b", "c", "a"]
    assert ordered.first_failing == FALSE


def test_a_verdict_survives_its_json() -> None:
    verdict = Verdict("1.1", (TRUE, FALSE, OPEN), 1.5, "embedded", "/e", "", ("note",))
    assert Verdict.from_dict(json.loads(json.dumps(verdict.as_dict()))) == verdict


def test_the_text_says_observed_and_one_next_step() -> None:
    text = Verdict("1.1", (FALSE,)).text()
    assert "it is not" in text
    assert "next step: look at b" in text


def test_claims_left_open_say_because_of_what() -> None:
    claims = Claims({"a": "a is so", "b": "b is so", "c": "c is so"})
    claims.decide("a", True)
    claims.decide("b", False)
    open_one = claims.findings()[2]
    assert open_one.holds is None
    assert "b is so" in open_one.observed


def test_what_was_false_once_stays_false() -> None:
    claims = Claims({"a": "a is so"})
    claims.decide("a", True)
    claims.decide("a", False)
    claims.decide("a", True)
    assert claims.findings()[0].holds is False
