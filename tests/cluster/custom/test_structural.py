"""What a structural schema prunes, fills in and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.custom.checking import check
from dockyard.cluster.custom.structural import fill, prune
from dockyard.cluster.fields import FieldErrors

Schema = dict[str, Any]


def obj(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "value", "kept", "unknown"),
    [
        (obj(a=TEXT), {"a": "x", "b": 1}, {"a": "x"}, ["b"]),
        (obj(spec=obj(a=TEXT)), {"spec": {"b": 1}, "kind": "K"}, {"spec": {}, "kind": "K"}, ["spec.b"]),
        (
            obj(items={"type": "array", "items": obj(a=TEXT)}),
            {"items": [{"a": "x"}, {"c": 1}]},
            {"items": [{"a": "x"}, {}]},
            ["items[1].c"],
        ),
        (
            obj(
                free={
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"a": obj()},
                }
            ),
            {"free": {"a": {"z": 1}, "b": {"c": 2}}},
            {"free": {"a": {}, "b": {"c": 2}}},
            ["free.a.z"],
        ),
        (
            obj(map={"type": "object", "additionalProperties": obj(a=TEXT)}),
            {"map": {"one": {"a": "x", "b": 1}}},
            {"map": {"one": {"a": "x"}}},
            ["map.one.b"],
        ),
        (
            obj(pod={"type": "object", "x-kubernetes-embedded-resource": True}),
            {"pod": {"kind": "Pod", "metadata": {"name": "x"}, "spec": {}}},
            {"pod": {"kind": "Pod", "metadata": {"name": "x"}}},
            ["pod.spec"],
        ),
    ],
)
def test_unknown_fields_are_pruned(schema: Schema, value: Any, kept: Any, unknown: list[str]) -> None:
    found: list[str] = []
    assert prune(schema, value, "", found, at_root=True) == kept
    assert found == unknown


def test_defaults_fill_in_what_is_absent_but_not_below_what_is_absent() -> None:
    inner = obj(n={"type": "integer", "default": 3}, m={"type": "integer", "nullable": True, "default": 1})
    schema = obj(
        spec=inner, other=inner, made={**inner, "default": {}}, list={"type": "array", "items": inner}
    )
    value: Any = {"spec": {"n": None, "m": None}, "list": [{}, {"n": 1}]}
    fill(schema, value)
    assert value == {
        "spec": {"n": 3, "m": None},
        "made": {"n": 3, "m": 1},
        "list": [{"n": 3, "m": 1}, {"n": 1, "m": 1}],
    }


@pytest.mark.parametrize(
    ("schema", "value", "problems"),
    [
        (obj(a=TEXT), {"a": 3}, ['a: Invalid value: "integer": a in body must be of type string: "integer"']),
        (obj(a=TEXT), {"a": None}, ['a: Invalid value: "null": a in body must be of type string: "null"']),
        (obj(a={**TEXT, "nullable": True}), {"a": None}, []),
        (obj(a={"type": "number"}), {"a": 3}, []),
        (
            obj(a=NUMBER),
            {"a": True},
            ['a: Invalid value: "boolean": a in body must be of type integer: "boolean"'],
        ),
        (obj(a={"x-kubernetes-int-or-string": True}), {"a": "10%"}, []),
        (
            {**obj(a=TEXT), "required": ["a"]},
            {},
            ["a: Required value"],
        ),
        (
            obj(a={**TEXT, "minLength": 2, "maxLength": 3}),
            {"a": "x"},
            ['a: Invalid value: "x": a in body should be at least 2 chars long'],
        ),
        (obj(a={**TEXT, "maxLength": 3}), {"a": "long"}, ["a: Too long: may not be more than 3 bytes"]),
        (
            obj(a={**NUMBER, "minimum": 0, "exclusiveMinimum": True}),
            {"a": 0},
            ["a: Invalid value: 0: a in body should be greater than 0"],
        ),
        (
            obj(a={**NUMBER, "multipleOf": 5}),
            {"a": 7},
            ["a: Invalid value: 7: a in body should be a multiple of 5"],
        ),
        (
            obj(a={"type": "array", "minItems": 1, "items": TEXT}),
            {"a": []},
            ["a: Invalid value: 0: a in body should have at least 1 items"],
        ),
        (
            obj(a={"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}),
            {"a": ["x", "y", "x"]},
            ['a[2]: Duplicate value: "x"'],
        ),
        (
            obj(
                a={
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": obj(name=TEXT, v=NUMBER),
                }
            ),
            {"a": [{"name": "x", "v": 1}, {"name": "x", "v": 2}]},
            ['a[1]: Duplicate value: {"name":"x"}'],
        ),
        (
            obj(a={**TEXT, "format": "date-time"}),
            {"a": "today"},
            ['a: Invalid value: "today": a in body must be of type date-time: "today"'],
        ),
        (
            obj(a={**obj(x=NUMBER, y=NUMBER), "oneOf": [{"required": ["x"]}, {"required": ["y"]}]}),
            {"a": {"x": 1, "y": 1}},
            ['a: Invalid value: {"x":1,"y":1}: a in body must validate one and only one schema (oneOf)'],
        ),
        (
            obj(a={**obj(x=NUMBER), "not": {"required": ["x"]}}),
            {"a": {"x": 1}},
            ['a: Invalid value: {"x":1}: a in body must not validate the schema (not)'],
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_upstreams_words(
    schema: Schema, value: Any, problems: list[str]
) -> None:
    errors = FieldErrors()
    check(schema, value, "", errors)
    assert [str(error) for error in errors] == problems
