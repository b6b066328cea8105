"""Label and field selectors: parsing, matching, and what upstream says of bad ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dockyard.cluster.errors import BadRequest
from dockyard.cluster.names import label_key_problems, label_value_problems

if TYPE_CHECKING:
    from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]
Labels = Mapping[str, str]

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
_TOKEN = re.compile(r"\s*(==|!=|=|,|\(|\)|!|>|<|[^\s,()=!<>]+)")


class Requirement(NamedTuple):
    """One condition on the labels; `operator` is one of in, notin, exists, !, gt, lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        present = self.key in labels
        if self.operator == "exists":
            return present
        if self.operator == "!":
            return not present
        if self.operator == "in":
            return present and labels[self.key] in self.values
        if self.operator == "notin":
            return not present or labels[self.key] not in self.values
        try:
            left, right = int(labels.get(self.key, "")), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right


class Selector(tuple[Requirement, ...]):
    """Requirements that must all hold; the empty selector matches everything."""

    def matches(self, labels: Labels | None) -> bool:
        found = labels or {}
        return all(requirement.matches(found) for requirement in self)


EVERYTHING = Selector()


def from_labels(labels: Labels) -> Selector:
    """The selector for exactly these labels, as Services and `matchLabels` have it."""
    return Selector(Requirement(key, "in", (value,)) for key, value in labels.items())


def from_object(selector: Manifest | None) -> Selector | None:
    """The selector of a `LabelSelector` object: everything for `{}`, None (nothing) for a missing one."""
    if selector is None:
        return None
    requirements = list(from_labels(selector.get("matchLabels") or {}))
    for expression in selector.get("matchExpressions") or ():
        operator = _OPERATORS.get(expression["operator"], "in")
        requirements.append(Requirement(expression["key"], operator, tuple(expression.get("values") or ())))
    return Selector(requirements)


def matches(selector: Manifest | None, labels: Labels | None) -> bool:
    """Whether a `LabelSelector` object selects these labels."""
    parsed = from_object(selector)
    return parsed is not None and parsed.matches(labels)


def parse_labels(text: str) -> Selector:
    """Parse `a=b,c!=d,e in (f,g),h,!i`. Raises BadRequest with upstream's text."""
    return Selector(_Parser(text).parse()) if text.strip() else EVERYTHING


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def parse(self) -> list[Requirement]:
        found = []
        while True:
            if self.peek() in (",", ""):
                raise BadRequest(f"unable to parse requirement: found '{self.peek()}', expected: identifier")
            found.append(self.requirement())
            token = self.next()
            if not token:
                return found
            if token != ",":
                raise BadRequest(
                    f"unable to parse requirement: found '{token}', expected: ',' or 'end of string'"
                )
            if not self.peek():
                raise BadRequest("unable to parse requirement: found '', expected: identifier after ','")

    def requirement(self) -> Requirement:
        negated = self.peek() == "!"
        if negated:
            self.next()
        key = self.next()
        self.check_key(key)
        if negated:
            return Requirement(key, "!")
        operator = self.peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self.next()
        if operator in ("in", "notin"):
            return Requirement(key, operator, self.values(key))
        if operator in ("=", "==", "!=", ">", "<"):
            value = self.value()
            if operator in (">", "<") and not re.fullmatch(r"[+-]?\d+", value):
                raise BadRequest(
                    f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
                    "for 'Gt', 'Lt' operators, the value must be an integer"
                )
            names = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}
            return Requirement(key, names[operator], (self.check_value(key, value),))
        raise BadRequest(
            f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt"
        )

    def value(self) -> str:
        return "" if self.peek() in (",", "") else self.next()

    def values(self, key: str) -> tuple[str, ...]:
        token = self.next()
        if token != "(":
            raise BadRequest(f"unable to parse requirement: found '{token}' expected: '('")
        found: list[str] = []
        while True:
            token = self.next()
            if token in (",", ")"):
                found.append("")
            elif token == "":
                raise BadRequest("unable to parse requirement: found '', expected: ',', or ')'")
            else:
                found.append(self.check_value(key, token))
                token = self.next()
            if token == ")":
                return tuple(sorted(set(found)))
            if token != ",":
                raise BadRequest(f"unable to parse requirement: found '{token}', expected: ',', or ')'")

    def check_key(self, key: str) -> None:
        for problem in label_key_problems(key):
            raise BadRequest(f'unable to parse requirement: key: Invalid value: "{key}": {problem}')

    def check_value(self, key: str, value: str) -> str:
        for problem in label_value_problems(value):
            raise BadRequest(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": {problem}'
            )
        return value


class FieldRequirement(NamedTuple):
    path: str
    value: str
    negated: bool


def parse_fields(text: str, kind: Kind) -> tuple[FieldRequirement, ...]:
    """Parse `status.phase=Running,spec.nodeName!=x` for a kind. Raises BadRequest with upstream's text."""
    found = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]*)(!=|==|=)(.*)", term)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        path, operator, value = match.groups()
        if path not in ("metadata.name", "metadata.namespace", *kind.selectable):
            if kind.selectable:
                raise BadRequest(f"field label not supported: {path}")
            raise BadRequest(
                f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
        found.append(FieldRequirement(path, value, operator == "!="))
    return tuple(found)


def fields_match(requirements: tuple[FieldRequirement, ...], obj: Manifest) -> bool:
    """Whether the object has (or has not) the required values; a missing field is the empty string."""
    return all((_field(obj, need.path) == need.value) != need.negated for need in requirements)


def _field(obj: Manifest, path: str) -> str:
    if path == "status.podIPs":
        path = "status.podIP"
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        # Booleans and counts have no empty value; everything else is a string.
        return {"spec.unschedulable": "false", "status.replicas": "0", "status.successful": "0"}.get(path, "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
