"""Kubernetes quantities (`250m`, `64Mi`, `1e3`): their value, and back to the shortest text."""

from __future__ import annotations

import re
from fractions import Fraction

_BINARY = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SHAPE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([KMGTPE]i|[numkMGTPE]?))")


def parse(text: str | int | float) -> Fraction:
    """The exact value of a quantity. Raises ValueError for what is none."""
    match = _SHAPE.fullmatch(str(text))
    if match is None:
        raise ValueError(
            "quantities must match the regular expression "
            r"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, exponent, suffix = Fraction(match[1]), match[2], match[3] or ""
    if exponent is not None:
        return number * Fraction(10) ** int(exponent)
    return number * _BINARY[suffix] if suffix in _BINARY else number * Fraction(10) ** _DECIMAL[suffix]


def cores(text: str | int | float) -> float:
    """CPU as a number of cores."""
    return float(parse(text))


def whole(text: str | int | float) -> int:
    """Bytes, or anything else that is counted, rounded up."""
    value = parse(text)
    return -(-value.numerator // value.denominator)
