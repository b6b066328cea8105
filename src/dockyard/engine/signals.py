"""Signals as people write them: TERM, sigterm, 15."""

from __future__ import annotations

import signal

from dockyard.engine.errors import BadParameter


def parse_signal(text: str) -> int:
    """Return the number of a signal.

    Raises:
        BadParameter: there is no such signal.
    """
    if text.isdigit():
        number = int(text)
        if 0 < number < signal.NSIG:
            return number
        raise BadParameter(f"invalid signal: {text}")
    name = text.upper().removeprefix("SIG")
    base, _, offset = name.partition("+")
    found = getattr(signal, f"SIG{base}", None)
    if not isinstance(found, signal.Signals) or (offset and not offset.isdigit()):
        raise BadParameter(f"invalid signal: {text}")
    return int(found) + int(offset or 0)
