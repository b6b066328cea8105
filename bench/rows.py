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
    """`samples` are in `unit`; `budget` is the most that the median may be, None without a promise."""

    what: str
    unit: str
    samples: Sequence[float]
    budget: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def line(self) -> str:
        """For a person, with the spread, because a median alone hides one."""
        limit = "" if self.budget is None else f"   (budget {self.budget:g} {self.unit})"
        spread = f"{min(self.samples):.3g} .. {max(self.samples):.3g}"
        return f"{self.what}: {self.median:.3g} {self.unit}, {spread}, n={len(self.samples)}{limit}"


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
