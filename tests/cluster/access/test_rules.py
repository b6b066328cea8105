"""Rules against rules: what is covered is allowed, whatever the rules are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.cluster.access import Attributes, jwt
from dockyard.cluster.access.rules import allows, describe, missing

Manifest = dict[str, Any]

_VERBS, _GROUPS = ("get", "list", "create"), ("", "apps")
_RESOURCES = ("pods", "pods/log", "deployments")
_PATHS = ("/metrics", "/healthz", "/healthz/ping")


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from((*values, "*")), min_size=1, max_size=2, unique=True)


RESOURCE_RULES = st.fixed_dictionaries(
    {"verbs": some(*_VERBS), "apiGroups": some(*_GROUPS), "resources": some(*_RESOURCES, "*/log")},
    optional={"resourceNames": st.lists(st.sampled_from(("a", "b")), min_size=1, max_size=2, unique=True)},
)
PATH_RULES = st.fixed_dictionaries({"verbs": some(*_VERBS), "nonResourceURLs": some(*_PATHS, "/healthz/*")})
RULES = st.one_of(RESOURCE_RULES, PATH_RULES)
WANTED = [
    Attributes(verb, group, *resource.split("/"), name=name)
    for verb in (*_VERBS, "delete")
    for group in (*_GROUPS, "batch")
    for resource in (*_RESOURCES, "nodes/log")
    for name in ("", "a", "c")
] + [Attributes(verb, path=path) for verb in (*_VERBS, "delete") for path in (*_PATHS, "/other")]


@given(st.lists(RULES, max_size=4), RULES)
def test_covered_rule_allows_nothing_new(held: list[Manifest], granted: Manifest) -> None:
    lacking = missing(held, [granted])
    beyond = [
        wanted for wanted in WANTED if allows(granted, wanted) and not any(allows(r, wanted) for r in held)
    ]
    assert bool(lacking) or not beyond
    # What lacks and what is held are together enough.
    assert missing([*held, *lacking], [granted]) == []


@given(RULES)
def test_rule_covers_itself_and_any_part_of_it(rule: Manifest) -> None:
    assert missing([rule], [rule]) == []
    assert missing([rule], missing([], [rule])) == []


@given(st.text(max_size=60))
def test_text_that_is_no_token_is_refused_and_nothing_worse(text: str) -> None:
    for token in (text, f"{text}.{text}.{text}", jwt.sign({}, b"another key") + text):
        with pytest.raises(jwt.MalformedTokenError):
            jwt.read(token, b"key")


def test_parts_are_described_together_again() -> None:
    rule = {
        "verbs": ["get", "list"],
        "apiGroups": ["", "apps"],
        "resources": ["pods"],
        "resourceNames": ["a"],
    }
    assert describe(missing([], [rule])).split("\n") == [
        '{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}',
        '{APIGroups:["apps"], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}',
    ]
