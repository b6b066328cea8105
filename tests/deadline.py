"""Waiting in tests: for a condition, with a deadline, and with words for when it never comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def eventually(condition: Callable[[], Result], claim: str, seconds: float = 60.0) -> Result:
    """Return the first true value of `condition`; fails with `claim` when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {claim}"
        time.sleep(0.02)  # between two looks at the condition, which is what ends the wait
