"""The log of a load: every request, when it was due, what came back; and what checks ask of it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request. `t` is when it was due (unix seconds); `latency_ms` counts from then, waiting too.

    `status` is the HTTP status, 0 for a plain TCP connection that succeeded, None where there was no answer;
    then `error` says why. `pod` and `version` come from the headers X-Pod and X-Version. `moved`: the kept
    connection was found closed, and the request was sent again, on a new one.
    """

    n: int
    t: float
    status: int | None
    latency_ms: float
    pod: str = ""
    version: str = ""
    error: str = ""
    moved: bool = False

    @property
    def ok(self) -> bool:
        return self.status is not None and self.status < 400

    @property
    def end(self) -> float:
        """When the answer, or the failure, was there."""
        return self.t + self.latency_ms / 1000

    @property
    def label(self) -> str:
        """What came of it, in a word: `200`, `503`, `connected`, `refused`."""
        if self.status is None:
            return self.error.split(":")[0] or "no answer"
        return str(self.status) if self.status else "connected"


class Traffic:
    """Requests in the order in which they were due. It is a sequence; slices of time are Traffic again."""

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        self.requests = sorted(requests, key=lambda request: request.n)

    def __len__(self) -> int:
        return len(self.requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)

    def __getitem__(self, index: int) -> Request:
        return self.requests[index]

    def __bool__(self) -> bool:
        return bool(self.requests)

    @property
    def ok(self) -> Traffic:
        """Those answered with a status below 400, or connected."""
        return Traffic(request for request in self if request.ok)

    @property
    def failed(self) -> Traffic:
        return Traffic(request for request in self if not request.ok)

    def between(self, start: float, end: float) -> Traffic:
        """Those due from `start` until before `end` (unix seconds)."""
        return Traffic(request for request in self if start <= request.t < end)

    def since(self, start: float) -> Traffic:
        return self.between(start, math.inf)

    @property
    def outage(self) -> float:
        """Seconds from the first failed request to the first good one after the last failed one, or 0.

        When nothing succeeds any more, to the end of the log.
        """
        failed = self.failed
        if not failed:
            return 0.0
        after = [request.t for request in self.ok if request.t > failed[-1].t]
        return (after[0] if after else self[-1].t) - failed[0].t

    def by(self, field: str) -> dict[str, int]:
        """How many of each `pod`, `version`, `status`, `label` or `error`, the most frequent first."""
        return dict(Counter(str(getattr(request, field)) for request in self).most_common())

    def quantile(self, q: float) -> float:
        """The latency in milliseconds that the fraction `q` of all answered requests stayed at or below."""
        times = sorted(request.latency_ms for request in self if request.status is not None)
        if not times:
            return math.nan
        return times[min(len(times) - 1, max(0, math.ceil(q * len(times)) - 1))]

    def missing(self) -> list[int]:
        """Numbers that the generator sent and the log lacks: then the log is no evidence."""
        if not self.requests:
            return []
        seen = {request.n for request in self}
        return [n for n in range(self.requests[-1].n + 1) if n not in seen] if 0 in seen else []

    def records(self) -> list[dict[str, Any]]:
        return [asdict(request) for request in self]

    def __repr__(self) -> str:
        labels = ", ".join(f"{count} x {label}" for label, count in self.by("label").items())
        return f"{len(self)} requests: {labels or 'none yet'}"


def parse(line: str) -> Request | None:
    """One line of the generator's output; None for the lines that aren't requests."""
    try:
        said = json.loads(line)
        return Request(**said) if isinstance(said, dict) and "n" in said else None
    except (ValueError, TypeError):
        return None
