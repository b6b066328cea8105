"""What set-up tells the person who waits: each step, and how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """One line on standard error, so that `--json` answers on standard output stay clean."""
    print(f"dockyard: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(doing: str) -> Iterator[None]:
    """Announce a step, and when it succeeded say how many seconds it took."""
    say(f"{doing} ...")
    started = time.monotonic()
    yield
    say(f"{doing}: done in {time.monotonic() - started:.1f} s")
