"""The JSONPath of CustomResourceDefinitions: fields, indexes and filters by equality.

Source: kubernetes.io/docs/reference/kubectl/jsonpath, as far as printer columns and scale paths use it.
"""

from __future__ import annotations

import json
import re
from typing import Any

_STEP = re.compile(
    r"""\.(?P<field>(?:[^.\[\]\\'"]|\\.)+)      # .field, with \. for a dot in a name
      | \[(?P<quote>['"])(?P<name>.*?)(?P=quote)\]
      | \[(?P<index>-?\d+|\*)\]
      | \[\?\(@\.(?P<key>[^=!<>\s]+)\s*(?P<operator>==|!=)\s*(?P<value>.+?)\)\]""",
    re.VERBOSE,
)


def find(obj: Any, path: str) -> list[Any]:
    """Every value that the path leads to; none for a path that can't be read."""
    found, at = [obj], 0
    path = path.strip("{}")
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return []
        at = step.end()
        found = [inner for value in found for inner in _follow(value, step)]
    return found


def place(obj: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a path of plain fields, making the objects that lead there."""
    *parents, last = path.strip(".").split(".")
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = value


def _follow(value: Any, step: re.Match[str]) -> list[Any]:
    name = step["field"] or step["name"]
    if name is not None:
        name = name.replace("\\.", ".")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if step["index"] is not None:
        if step["index"] == "*":
            return list(value.values()) if isinstance(value, dict) else list(value or ())
        index = int(step["index"])
        return [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []
    wanted = _literal(step["value"])
    items = value if isinstance(value, list) else []
    return [
        item for item in items if (find(item, "." + step["key"]) == [wanted]) == (step["operator"] == "==")
    ]


def _literal(text: str) -> Any:
    text = text.strip()
    if text[:1] in "'\"" and text[-1:] == text[:1]:
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text
