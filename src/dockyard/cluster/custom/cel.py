"""The Common Expression Language, as far as validation rules of custom resources commonly go.

Source: github.com/google/cel-spec, langdef.md; the macros and string functions that Kubernetes adds to it.
Differs: in rules of custom resources no types are checked beforehand, and durations, timestamps, quantities,
URLs, IP addresses and optional values are unknown; a rule that uses them fails with that reason.
"""

from __future__ import annotations

import ast
import itertools
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

Names = Mapping[str, Any]
Expression = Callable[[Names], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+)u?
      | (?P<string>[rR]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
      | (?P<word>[A-Za-z_]\w*)
      | (?P<sign>==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()\[\]{}]))""",
    re.VERBOSE,
)
_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, items: item in items,
}
_LITERALS = {"true": True, "false": False, "null": None}
_MACROS = ("all", "exists", "exists_one", "filter", "map")


class CelError(Exception):
    """An expression can't be read, or has no value; the message says why."""


def _size(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise CelError("no such overload: size")
    return len(value)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "int": int,
    "double": float,
    "string": lambda value: str(value).lower() if isinstance(value, bool) else str(value),
}
_METHODS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "trim": str.strip,
    "split": lambda text, by: text.split(by),
    "join": lambda items, by="": by.join(items),
    "replace": str.replace,
    "indexOf": str.find,
    "substring": lambda text, start, end=None: text[start:end],
    "isSorted": lambda items: all(a <= b for a, b in itertools.pairwise(items)),
    "sum": sum,
    "min": min,
    "max": max,
}


@lru_cache(maxsize=256)
def compile(text: str) -> Expression:
    """The expression as a function of its names. Raises CelError; so does the function."""
    parser = _Parser(_tokens(text))
    made = parser.ternary()
    if parser.peek():
        raise CelError(f"unexpected {parser.peek()!r}")

    def evaluate(names: Names) -> Any:
        try:
            return made(names)
        except (TypeError, ValueError, AttributeError, ZeroDivisionError, re.error) as error:
            raise CelError(f"no such overload: {error}") from None

    return evaluate


def _tokens(text: str) -> list[str]:
    found, at, text = [], 0, text.strip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise CelError(f"Syntax error: token recognition error at: {text[at : at + 1]!r}")
        found.append(token[0].strip())
        at = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def next(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise CelError(
                f"Syntax error: found {token or 'the end'!r}" + (f", expected {wanted!r}" if wanted else "")
            )
        self._at += 1
        return token

    def ternary(self) -> Expression:
        condition = self._either()
        if self.peek() != "?":
            return condition
        self.next()
        yes = self.ternary()
        self.next(":")
        no = self.ternary()
        return lambda names: yes(names) if _truth(condition(names)) else no(names)

    def _either(self) -> Expression:
        left = self._both()
        while self.peek() == "||":
            self.next()
            left = _logic(left, self._both(), decides=True)
        return left

    def _both(self) -> Expression:
        left = self._relation()
        while self.peek() == "&&":
            self.next()
            left = _logic(left, self._relation(), decides=False)
        return left

    def _relation(self) -> Expression:
        left = self._sum()
        while self.peek() in _RELATIONS:
            sign = self.next()
            left = _infix(_RELATIONS[sign], left, self._sum())
        return left

    def _sum(self) -> Expression:
        left = self._product()
        while self.peek() in ("+", "-"):
            sign = self.next()
            left = _infix(operator.add if sign == "+" else operator.sub, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._unary()
        signs = {"*": operator.mul, "/": _divide, "%": lambda a, b: a - b * _divide(a, b)}
        while self.peek() in signs:
            sign = self.next()
            left = _infix(signs[sign], left, self._unary())
        return left

    def _unary(self) -> Expression:
        if self.peek() == "!":
            self.next()
            inner = self._unary()
            return lambda names: not _truth(inner(names))
        if self.peek() == "-":
            self.next()
            inner = self._unary()
            return lambda names: -inner(names)
        return self._postfix(self._primary())

    def _postfix(self, value: Expression) -> Expression:
        while self.peek() in (".", "["):
            if self.next() == "[":
                value = _index(value, self.ternary())
                self.next("]")
                continue
            name = self.next()
            if self.peek() != "(":
                value = _field(value, name)
            elif name in _MACROS:
                value = self._macro(name, value)
            else:
                value = _call(name, _METHODS, [value, *self._arguments()])
        return value

    def _primary(self) -> Expression:
        token = self.next()
        if token == "(":
            inner = self.ternary()
            self.next(")")
            return inner
        if token == "[":
            items = self._until("]")
            return lambda names: [item(names) for item in items]
        if token == "{":
            return self._map()
        if token[0].isdigit():
            number: Any = float(token) if "." in token else int(token.rstrip("u"))
            return lambda names: number
        if token[-1] in "'\"":
            text = ast.literal_eval(token)
            return lambda names: text
        if token in _LITERALS:
            return lambda names: _LITERALS[token]
        if not (token[0].isalpha() or token[0] == "_"):
            raise CelError(f"Syntax error: found {token!r}")
        if self.peek() != "(":
            return lambda names: _name(names, token)
        if token == "has":
            return self._has()
        return _call(token, _FUNCTIONS, self._arguments())

    def _arguments(self) -> list[Expression]:
        self.next("(")
        return self._until(")")

    def _until(self, end: str) -> list[Expression]:
        found = []
        while self.peek() != end:
            found.append(self.ternary())
            if self.peek() != end:
                self.next(",")
        self.next(end)
        return found

    def _map(self) -> Expression:
        pairs = []
        while self.peek() != "}":
            key = self.ternary()
            self.next(":")
            pairs.append((key, self.ternary()))
            if self.peek() != "}":
                self.next(",")
        self.next("}")
        return lambda names: {key(names): value(names) for key, value in pairs}

    def _has(self) -> Expression:
        self.next("(")
        value = self._primary()
        fields: list[str] = []
        while self.peek() == ".":
            self.next()
            fields.append(self.next())
        self.next(")")
        if not fields:
            raise CelError("invalid argument to has() macro")
        owner = value
        for name in fields[:-1]:
            owner = _field(owner, name)
        return lambda names: fields[-1] in owner(names)

    def _macro(self, name: str, over: Expression) -> Expression:
        self.next("(")
        variable = self.next()
        self.next(",")
        parts = self._until(")")
        body = parts[-1]

        def run(names: Names) -> Any:
            items = over(names)
            each = [{**names, variable: item} for item in items]
            if name == "all":
                return _quantify(body, each, decides=False)
            if name == "exists":
                return _quantify(body, each, decides=True)
            if name == "exists_one":
                return sum(1 for inner in each if _truth(body(inner))) == 1
            if name == "filter":
                return [inner[variable] for inner in each if _truth(body(inner))]
            return [body(inner) for inner in each if len(parts) == 1 or _truth(parts[0](inner))]

        return run


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError("no such overload")
    return value


def _name(names: Names, name: str) -> Any:
    if name not in names:
        raise CelError(f"undeclared reference to '{name}'")
    return names[name]


def _field(value: Expression, name: str) -> Expression:
    def run(names: Names) -> Any:
        owner = value(names)
        if not isinstance(owner, dict) or name not in owner:
            raise CelError(f"no such key: {name}")
        return owner[name]

    return run


def _index(value: Expression, index: Expression) -> Expression:
    def run(names: Names) -> Any:
        owner, at = value(names), index(names)
        if isinstance(owner, list) and (not isinstance(at, int) or not 0 <= at < len(owner)):
            raise CelError(f"index out of bounds: {at}")
        if isinstance(owner, dict) and at not in owner:
            raise CelError(f"no such key: {at}")
        return owner[at]

    return run


def _call(name: str, known: Mapping[str, Callable[..., Any]], arguments: list[Expression]) -> Expression:
    if name not in known:
        raise CelError(f"undeclared reference to '{name}'")
    return lambda names: known[name](*(argument(names) for argument in arguments))


def _infix(sign: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    return lambda names: sign(left(names), right(names))


def _logic(left: Expression, right: Expression, *, decides: bool) -> Expression:
    """`||` (true decides), `&&` (false decides): a side that fails doesn't count if the other decides."""
    return lambda names: _quantify(lambda side: side(names), (left, right), decides=decides)


def _quantify(body: Callable[[Any], Any], items: Iterable[Any], *, decides: bool) -> bool:
    problem: CelError | None = None
    for item in items:
        try:
            if _truth(body(item)) is decides:
                return decides
        except CelError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return not decides


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    if right == 0:
        raise CelError("division by zero")
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole
