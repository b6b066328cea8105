"""A chart of bars says the same as its table, in pictures that need no colour."""

from __future__ import annotations

import base64
import re

import pytest

from dockyard.errors import UserError
from dockyard.views.bars import show_bars

STEPS = [
    {"step": "RUN pip install", "seconds": 2.4, "cached": ""},
    {"step": "COPY <main.py>", "seconds": 0.04, "cached": "yes"},
    {"step": "never run", "seconds": None, "cached": ""},
]


def test_bars_are_said_in_the_alternative_text_and_as_rows() -> None:
    page = show_bars(STEPS, label="step", value="seconds", unit="s", title="a build", mark="cached")
    alt = re.search(r'alt="([^"]+)"', page.html)
    assert alt is not None
    assert "RUN pip install: 2.4 s" in alt[1]
    assert "COPY &lt;main.py&gt;: 0.04 s" in alt[1]
    assert "never run: none" in alt[1]
    assert page.text.splitlines()[0] == "a build"
    assert [line.split("  ")[0] for line in page.text.splitlines()[2:]] == [row["step"] for row in STEPS]
    image = re.search(r"base64,([^\"]+)", page.html)
    assert image is not None
    assert base64.b64decode(image[1]).startswith(b"\x89PNG")


def test_a_column_that_no_row_has_is_named_with_those_that_exist() -> None:
    with pytest.raises(UserError) as caught:
        show_bars(STEPS, label="step", value="second")
    assert "no row has a column 'second'" in caught.value.message
    assert "step, seconds, cached" in caught.value.advice


def test_nothing_to_draw_is_said() -> None:
    assert show_bars([], label="step", value="seconds", title="a build").text == "a build: nothing to draw"
