"""Resource quantities: parsing, comparing and upstream's canonical form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction

PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
PROBLEM = f"quantities must match the regular expression '{PATTERN}'"
_FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(text: str | int | float) -> Fraction:
    """The exact value. Raises ValueError with upstream's words."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError(PROBLEM)
    number, suffix = Fraction(match[1]), match[2] or ""
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix])
    if suffix in _DECIMAL:
        return number * _ten(_DECIMAL[suffix])
    exponent = int(suffix[1:])
    if abs(exponent) > 30:
        raise ValueError(PROBLEM)
    return number * _ten(exponent)


def canonical(text: str | int | float) -> str:
    """The form in which the API server stores a quantity: `0.5` is `500m`, `1024Mi` is `1Gi`.

    Raises ValueError.
    """
    return _written(parse(text), _suffix(text))


def total(texts: Iterable[str | int | float]) -> str:
    """The sum, in the form of the first part that is not zero, as upstream adds. Raises ValueError."""
    value, suffix = Fraction(0), ""
    for text in texts:
        if value == 0:
            suffix = _suffix(text)
        value += parse(text)
    return _written(value, suffix)


def binary(size: int) -> str:
    """A number of bytes as upstream writes it: `104857600` is `100Mi`."""
    return _written(Fraction(size), "Ki")


def _suffix(text: str | int | float) -> str:
    match = _FORM.fullmatch(str(text))
    return (match[2] if match else "") or ""


def _written(value: Fraction, suffix: str) -> str:
    """A value in the family of suffixes that `suffix` is of."""
    if value == 0:
        return "0"
    if suffix in _BINARY:
        if value.denominator == 1 and abs(value) >= 1024:
            for name, power in reversed(_BINARY.items()):
                if value % 2**power == 0:
                    return f"{value // 2**power}{name}"
            return str(value)
        if value.denominator == 1:
            return str(value)
    nanos = value * 10**9
    whole = -(-nanos.numerator // nanos.denominator)  # finer than nano is rounded up
    exponent = -9
    while whole % 1000 == 0 and exponent < 18:
        whole //= 1000
        exponent += 3
    if suffix[:1] in ("e", "E") and suffix not in ("E",):
        return f"{whole}e{exponent}" if exponent else str(whole)
    name = next(name for name, power in _DECIMAL.items() if power == exponent)
    return f"{whole}{name}"


def _ten(power: int) -> Fraction:
    return Fraction(10**power) if power >= 0 else Fraction(1, 10**-power)


def cores(text: str | int | float) -> float:
    """CPU as a number of cores."""
    return float(parse(text))


def whole(text: str | int | float) -> int:
    """The value as a whole number, rounded up: memory in bytes."""
    return _ceil(parse(text))


def _ceil(value: Fraction) -> int:
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        return int(exact.to_integral_value(rounding=ROUND_CEILING))
