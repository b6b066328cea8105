"""Validation rules: the expression language, and when a rule is judged."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.custom.cel import CelError, compile
from dockyard.cluster.custom.rules import check
from dockyard.cluster.fields import FieldErrors

SELF = {"size": "small", "n": 5, "ratio": 1.5, "tags": ["a", "ab"], "map": {"k": "v"}, "on": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("self.size == 'small' && self.n <= 5", True),
        ('self.size != "small" || self.n > 5', False),
        ("!(self.n in [1, 2, 3])", True),
        ("'k' in self.map && self.map['k'] == 'v'", True),
        ("has(self.n) && !has(self.missing)", True),
        ("self.on ? self.n : 0", 5),
        ("2 + 3 * 4 - 6 / 4", 13),
        ("-7 / 2 == -3 && -7 % 2 == -1", True),
        ("size(self.tags) == self.tags.size()", True),
        ("self.tags.all(t, t.startsWith('a'))", True),
        ("self.tags.exists(t, t.endsWith('b')) && self.tags.exists_one(t, t == 'a')", True),
        ("self.tags.filter(t, t.size() > 1)", ["ab"]),
        ("self.tags.map(t, t + '!')", ["a!", "ab!"]),
        ("self.size.matches('^s.*l$') && self.size.contains('mal')", True),
        ("string(self.n) + self.size", "5small"),
        ("self.missing == 1 || self.n == 5", True),
        ("[1, 2].sum() == 3 && {'a': 1}['a'] == 1", True),
    ],
)
def test_expressions_have_their_values(text: str, value: Any) -> None:
    assert compile(text)({"self": SELF}) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("self.missing > 1", "no such key: missing"),
        ("other", "undeclared reference to 'other'"),
        ("duration('1h') > self.n", "undeclared reference to 'duration'"),
        ("self.n / 0", "division by zero"),
        ("self.tags[7]", "index out of bounds: 7"),
        ("self.size && true", "no such overload"),
        ("self.size - 1", "no such overload"),
        ("self.", "Syntax error"),
        ("1 2", "unexpected '2'"),
        ("a ; b", "token recognition error"),
    ],
)
def test_expressions_without_a_value_say_why(text: str, problem: str) -> None:
    with pytest.raises(CelError, match=problem.replace("(", r"\(")):
        compile(text)({"self": SELF})


def problems(rule: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    errors = FieldErrors()
    check(
        {"type": "object", "properties": {"spec": {"x-kubernetes-validations": [rule]}}},
        value,
        old,
        "",
        errors,
    )
    return [str(error) for error in errors]


def test_a_broken_rule_says_its_message() -> None:
    broken = {"spec": {"a": 2}}
    assert problems({"rule": "self.a < 2"}, broken) == ["spec: Invalid value: failed rule: self.a < 2"]
    assert problems({"rule": "self.a < 2", "message": "a is large"}, broken) == [
        "spec: Invalid value: a is large"
    ]
    told = {"rule": "self.a < 2", "messageExpression": "'a is ' + string(self.a)"}
    assert problems(told, broken) == ["spec: Invalid value: a is 2"]
    placed = {"rule": "self.a < 2", "message": "no", "fieldPath": ".a", "reason": "FieldValueForbidden"}
    assert problems(placed, broken) == ["spec.a: Forbidden: no"]


def test_a_rule_about_a_change_is_judged_when_there_is_one() -> None:
    rule = {"rule": "self.a == oldSelf.a", "message": "a is immutable"}
    assert problems(rule, {"spec": {"a": 2}}) == []
    assert problems(rule, {"spec": {"a": 2}}, {"spec": {"a": 2}}) == []
    assert problems(rule, {"spec": {"a": 2}}, {"spec": {"a": 1}}) == ["spec: Invalid value: a is immutable"]
