"""What a notebook shows says the same in words, and breaks on nothing that a learner's system says."""

from __future__ import annotations

import base64
import re

import pytest

from dockyard.exercises import Mistake, Request, Traffic, Verdict
from dockyard.exercises.faults import Cut
from dockyard.exercises.finding import Finding
from dockyard.views.page import VERDICT, markdown, table
from dockyard.views.questions import checked_question, matches, show_measured, show_question
from dockyard.views.timeline import show_timeline
from dockyard.views.verdict import show_verdict

QUESTION = {
    "question": "Which?",
    "right": "b",
    "answers": {
        "a": {"text": "this", "feedback": "no, because"},
        "b": {"text": "that", "feedback": "yes, because"},
    },
}


def test_a_verdict_says_its_first_finding_and_escapes_what_it_quotes() -> None:
    finding = Finding("a", "a is so", False, observed="<script>alert(1)</script>", hint="look")
    page = show_verdict(Verdict("90.1", (finding,)))
    assert "<script>" not in page.html
    assert "&lt;script&gt;" in page.html
    assert "next step: look" in page.text
    assert page.data[VERDICT]["passed"] is False


def test_a_table_has_header_cells_and_a_text_twin() -> None:
    page = table([{"name": "a", "restarts": 0}, {"name": "b", "ready": True}], "Pods")
    assert page.html.count('scope="col"') == 3
    assert page.text.splitlines()[:2] == ["Pods", "NAME  RESTARTS  READY"]
    assert table([], "Pods").text == "Pods: nothing"


def test_markdown_runs_no_html() -> None:
    assert "<b>" not in markdown("<b>bold</b> and *this*")
    assert "<em>this</em>" in markdown("<b>bold</b> and *this*")


def test_a_timeline_says_in_words_what_it_draws() -> None:
    traffic = Traffic(
        [
            Request(n, 100.0 + n, 200 if n < 3 else None, 12.0, error="" if n < 3 else "refused")
            for n in range(6)
        ]
    )
    page = show_timeline(traffic, cuts=[Cut("app=db", 102.5, 104.0)])
    assert "6 requests in 5 s: 3 200, 3 refused." in page.text
    assert "2.5 s app=db cut off" in page.text
    alt = re.search(r'<img alt="([^"]+)"', page.html)
    assert alt is not None
    assert "3 refused" in alt[1]
    image = re.search(r"base64,([^\"]+)", page.html)
    assert image is not None
    assert base64.b64decode(image[1]).startswith(b"\x89PNG")


def test_a_timeline_of_nothing_says_so() -> None:
    assert "No requests" in show_timeline(Traffic()).text


def test_a_wrong_answer_gets_its_own_feedback_and_no_other() -> None:
    page = show_question("06.q1", QUESTION, "a")
    assert "Wrong: no, because" in page.text
    assert "yes, because" not in page.text
    assert "Right: yes, because" in show_question("06.q1", QUESTION, "b").text
    assert "There is no answer 'z'" in show_question("06.q1", QUESTION, "z").text


def test_an_open_question_gives_nothing_away() -> None:
    page = show_question("06.q1", QUESTION, None)
    assert "because" not in page.text
    assert 'quiz("06.q1", "a")' in page.text
    assert page.html.count("<li>") == 2


def test_a_quiz_without_feedback_is_refused() -> None:
    broken = {**QUESTION, "answers": {**QUESTION["answers"], "a": {"text": "this"}}}  # type: ignore[dict-item]
    with pytest.raises(Mistake, match="answer a needs"):
        checked_question("q1", broken)


def test_prediction_and_measurement_stand_side_by_side() -> None:
    page = show_measured("06.p", {"question": "How many?", "guess": 4, "measured": 0})
    assert "Not as you predicted" in page.text
    assert "committed to no prediction" in show_measured("06.p", {"measured": 0}).text


def test_a_prediction_within_a_tenth_counts() -> None:
    assert matches(19, 20)
    assert not matches(17, 20)
    assert matches("Restarted ", "restarted")
