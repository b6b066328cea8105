"""PolicyRules: what one allows, and whether some rules grant at least what others do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dockyard.cluster.access.attributes import Attributes

Manifest = dict[str, Any]
ALL = "*"
# Upstream's order of a rule's fields in texts.
_SHOWN = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")


def allows(rule: Manifest, wanted: Attributes) -> bool:
    """Whether a rule allows a request."""
    if not _has(rule, "verbs", wanted.verb):
        return False
    if not wanted.is_resource:
        return any(_path_covers(path, wanted.path) for path in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule, "apiGroups", wanted.group)
        and _resource_covered(rule.get("resources") or (), wanted.qualified)
        and (not names or wanted.name in names)
    )


def missing(held: Sequence[Manifest], granted: Iterable[Manifest]) -> list[Manifest]:
    """The parts of `granted`, one verb and one resource each, that no rule of `held` covers."""
    parts = itertools.chain.from_iterable(map(_parts, granted))
    return [part for part in parts if not any(_covers(rule, part) for rule in held)]


def describe(rules: Iterable[Manifest]) -> str:
    """Rules as the text of a refused escalation lists them: a line each, verbs of a resource together."""
    compact: list[Manifest] = []
    by_resource: dict[str, Manifest] = {}
    for rule in rules:
        if rule.get("nonResourceURLs") or len(rule.get("resourceNames") or ()) > 1:
            compact.append(rule)
            continue
        key = json.dumps([rule["apiGroups"], rule["resources"], rule.get("resourceNames")])
        if key in by_resource:
            by_resource[key]["verbs"].extend(rule["verbs"])
        else:
            by_resource[key] = {**rule, "verbs": list(rule["verbs"])}
    return "\n".join(sorted({_line(rule) for rule in (*compact, *by_resource.values())}))


def go_list(values: Iterable[str]) -> str:
    """Strings as Go's %q prints a slice of them: `["get" "list"]`."""
    return "[" + " ".join(json.dumps(value, ensure_ascii=False) for value in values) + "]"


def _line(rule: Manifest) -> str:
    shown = ((field[0].upper() + field[1:], rule.get(field)) for field in _SHOWN)
    return "{" + ", ".join(f"{field.replace('ApiG', 'APIG')}:{go_list(v)}" for field, v in shown if v) + "}"


def _has(rule: Manifest, field: str, value: str) -> bool:
    values = rule.get(field) or ()
    return ALL in values or value in values


def _resource_covered(resources: Sequence[str], wanted: str) -> bool:
    if ALL in resources or wanted in resources:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in resources


def _path_covers(pattern: str, path: str) -> bool:
    if pattern in (ALL, path):
        return True
    return pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL))


def _parts(rule: Manifest) -> Iterator[Manifest]:
    groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
    for group, resource, verb in itertools.product(groups, resources, rule.get("verbs") or ()):
        part = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        names = rule.get("resourceNames")
        yield from ({**part, "resourceNames": [name]} for name in names) if names else (part,)
    for path, verb in itertools.product(rule.get("nonResourceURLs") or (), rule.get("verbs") or ()):
        yield {"nonResourceURLs": [path], "verbs": [verb]}


def _covers(held: Manifest, part: Manifest) -> bool:
    if not _has(held, "verbs", part["verbs"][0]):
        return False
    if "nonResourceURLs" in part:
        wanted = part["nonResourceURLs"][0]
        return any(_path_covers(path, wanted) for path in held.get("nonResourceURLs") or ())
    names = held.get("resourceNames")
    return (
        _has(held, "apiGroups", part["apiGroups"][0])
        and _resource_covered(held.get("resources") or (), part["resources"][0])
        and (not names or ("resourceNames" in part and part["resourceNames"][0] in names))
    )
