"""A row of a benchmark: what was measured, each sample, and what it must reach."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """`samples` are in `unit`; `budget` is the most that the median may be, None without a promise.

    `real` are a real engine's samples of the same; `more` says that more is better.
    """

    what: str
    unit: str
    samples: Sequence[float]
    budget: float | None = None
    note: str = ""
    real: Sequence[float] = ()
    more: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def comparison(self) -> str:
        """How ours stands to the real one: "2.1 x ahead", or "1.3 x **behind**"; "" without a real one."""
        if not self.real:
            return ""
        ours, theirs = self.median, statistics.median(self.real)
        factor = ours / theirs if self.more else theirs / ours
        return f"{factor:.2g} x ahead" if factor >= 1 else f"{1 / factor:.2g} x **behind**"

    def line(self) -> str:
        """For a person, with the spread, because a median alone hides one."""
        limit = "" if self.budget is None else f"   (budget {self.budget:g} {self.unit})"
        spread = f"{min(self.samples):.3g} .. {max(self.samples):.3g}"
        beside = f"   (real {statistics.median(self.real):.3g}: {self.comparison})" if self.real else ""
        return f"{self.what}: {self.median:.3g} {self.unit}, {spread}, n={len(self.samples)}{limit}{beside}"


def main(measure: Callable[[int], list[Row]], description: str | None, rounds: int = 5) -> None:
    """The command line that every benchmark has: `--rounds N`, and `--json` for bench/run."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="samples of each figure")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    rows = measure(options.rounds)
    if options.json:
        json.dump([asdict(row) for row in rows], sys.stdout, indent=1)
    else:
        print("\n".join(row.line() for row in rows))
