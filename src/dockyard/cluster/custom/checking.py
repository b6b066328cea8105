"""Whether a custom object fits its schema, in the words of kube-openapi and apiextensions-apiserver."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any

from dockyard.cluster.fields import FieldErrors

Schema = dict[str, Any]

INT_OR_STRING = "x-kubernetes-int-or-string"


def check(schema: Schema, value: Any, path: str, errors: FieldErrors) -> None:
    """Add what doesn't fit; `path` is "" for the object itself."""
    if value is None and schema.get("nullable"):
        return
    _type(schema, value, path, errors)
    if "enum" in schema and value not in schema["enum"]:
        errors.not_supported(path, value, schema["enum"], keep_order=True)
    if isinstance(value, str):
        _string(schema, value, path, errors)
    elif isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        _number(schema, value, path, errors)
    elif isinstance(value, list):
        _list(schema, value, path, errors)
    elif isinstance(value, dict):
        _object(schema, value, path, errors)
    _combined(schema, value, path, errors)


def _type(schema: Schema, value: Any, path: str, errors: FieldErrors) -> None:
    wanted = schema.get("type")
    if schema.get(INT_OR_STRING):
        if not isinstance(value, int | str) or isinstance(value, bool):
            name = _type_name(value)
            errors.invalid(path, name, f'{path} in body must be of type integer,string: "{name}"')
        return
    found = _type_name(value)
    if not wanted or wanted == found or (wanted == "number" and found == "integer"):
        return
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return
    errors.invalid(path, found, f'{path} in body must be of type {wanted}: "{found}"')


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def _string(schema: Schema, value: str, path: str, errors: FieldErrors) -> None:
    most, least, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if most is not None and len(value) > most:
        errors.too_long(path, most)
    if least is not None and len(value) < least:
        errors.invalid(path, value, f"{path} in body should be at least {least} chars long")
    if pattern is not None and not _matches(pattern, value):
        errors.invalid(path, value, f"{path} in body should match '{pattern}'")
    form = schema.get("format")
    if form in _FORMATS and not _FORMATS[form](value):
        errors.invalid(path, value, f'{path} in body must be of type {form}: "{value}"')


def _matches(pattern: str, value: str) -> bool:
    # Differs: patterns are Python's regular expressions, not RE2's; one that Python can't read matches all.
    try:
        return re.search(re.sub(r"\$$", r"\\Z", pattern), value) is not None
    except re.error:
        return True


def _number(schema: Schema, value: float, path: str, errors: FieldErrors) -> None:
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None:
        if schema.get("exclusiveMaximum") and value >= most:
            errors.invalid(path, value, f"{path} in body should be less than {most}")
        elif value > most:
            errors.invalid(path, value, f"{path} in body should be less than or equal to {most}")
    if least is not None:
        if schema.get("exclusiveMinimum") and value <= least:
            errors.invalid(path, value, f"{path} in body should be greater than {least}")
        elif value < least:
            errors.invalid(path, value, f"{path} in body should be greater than or equal to {least}")
    if step and value % step:
        errors.invalid(path, value, f"{path} in body should be a multiple of {step}")


def _list(schema: Schema, value: list[Any], path: str, errors: FieldErrors) -> None:
    most, least, items = schema.get("maxItems"), schema.get("minItems"), schema.get("items")
    if most is not None and len(value) > most:
        errors.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        errors.invalid(path, len(value), f"{path} in body should have at least {least} items")
    _duplicates(schema, value, path, errors)
    if isinstance(items, dict):
        for index, item in enumerate(value):
            check(items, item, f"{path}[{index}]", errors)


def _duplicates(schema: Schema, value: list[Any], path: str, errors: FieldErrors) -> None:
    """Sets and maps have each item once, and the keys of a map name one."""
    how = schema.get("x-kubernetes-list-type")
    if how not in ("set", "map"):
        return
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: set[str] = set()
    for index, item in enumerate(value):
        identity = (
            {key: item.get(key) for key in keys if key in item} if isinstance(item, dict) and keys else item
        )
        text = json.dumps(identity, sort_keys=True)
        if text in seen:
            errors.duplicate(f"{path}[{index}]", identity)
        seen.add(text)


def _object(schema: Schema, value: dict[str, Any], path: str, errors: FieldErrors) -> None:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        errors.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        errors.invalid(path, len(value), f"{path} in body should have at least {least} properties")
    for name in schema.get("required") or ():
        if name not in value:
            errors.required(f"{path}.{name}" if path else name)
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        if name in properties:
            if not (path == "" and name in ("apiVersion", "kind", "metadata")):
                check(properties[name], inner, here, errors)
        elif isinstance(extra, dict):
            check(extra, inner, here, errors)


def _combined(schema: Schema, value: Any, path: str, errors: FieldErrors) -> None:
    for inner in schema.get("allOf") or ():
        check(inner, value, path, errors)
    for word, problem in (
        ("anyOf", "must validate at least one schema (anyOf)"),
        ("oneOf", "must validate one and only one schema (oneOf)"),
    ):
        options = schema.get(word) or ()
        fitting = sum(1 for inner in options if _fits(inner, value, path))
        if options and (fitting == 0 or (word == "oneOf" and fitting > 1)):
            errors.invalid(path, value, f"{path} in body {problem}")
    if "not" in schema and _fits(schema["not"], value, path):
        errors.invalid(path, value, f"{path} in body must not validate the schema (not)")


def _fits(schema: Schema, value: Any, path: str) -> bool:
    found = FieldErrors()
    check(schema, value, path, found)
    return not found


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text) is not None


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _is_time,
    "date": lambda text: re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None,
    "byte": _is_base64,
    "uuid": lambda text: re.fullmatch(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", text) is not None,
    "ipv4": lambda text: _is_address(text, 4),
    "ipv6": lambda text: _is_address(text, 6),
    "email": lambda text: re.fullmatch(r"[^@\s]+@[^@\s]+", text) is not None,
}
