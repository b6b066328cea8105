"""Validation rules of custom resources (x-kubernetes-validations): CEL over an object and what it was."""

from __future__ import annotations

import re
from typing import Any

from dockyard.cluster.custom.cel import CelError, compile
from dockyard.cluster.fields import FieldErrors

Schema = dict[str, Any]

RULES = "x-kubernetes-validations"
_TRANSITION = re.compile(r"\boldSelf\b")


def has_any(schema: Schema) -> bool:
    """Whether there is a rule anywhere in the schema."""
    if schema.get(RULES):
        return True
    inner = [
        *(schema.get("properties") or {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    return any(has_any(part) for part in inner if isinstance(part, dict))


def check(schema: Schema, value: Any, old: Any, path: str, errors: FieldErrors) -> None:
    """Add the rules that don't hold; those about a change are left out where there is no former value."""
    for rule in schema.get(RULES) or ():
        if old is None and _TRANSITION.search(rule["rule"]) and not rule.get("optionalOldSelf"):
            continue
        _judge(rule, value, old, path, errors)
    if isinstance(value, list):
        items = schema.get("items")
        for index, item in enumerate(value if isinstance(items, dict) else ()):
            # Items of a list have no former value here, so rules about changes within lists are left out.
            check(items or {}, item, None, f"{path}[{index}]", errors)
    elif isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, inner in value.items():
            part = properties.get(name, extra)
            if isinstance(part, dict):
                before = old.get(name) if isinstance(old, dict) else None
                check(part, inner, before, f"{path}.{name}" if path else name, errors)


def _judge(rule: Schema, value: Any, old: Any, path: str, errors: FieldErrors) -> None:
    names = {"self": value, "oldSelf": old}
    message = (rule.get("message") or f"failed rule: {rule['rule']}").strip()
    try:
        if compile(rule["rule"])(names) is True:
            return
        if expression := rule.get("messageExpression"):
            message = str(compile(expression)(names))
    except CelError as error:
        errors.broken_rule(path, f"{error} evaluating rule: {message}")
        return
    where = path + (rule.get("fieldPath") or "")
    reason = rule.get("reason") or "FieldValueInvalid"
    if reason == "FieldValueForbidden":
        errors.forbidden(where, message)
    elif reason == "FieldValueRequired":
        errors.required(where, message)
    else:
        errors.broken_rule(where, message)
