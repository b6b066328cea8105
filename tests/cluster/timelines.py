"""Timelines of objects, recorded and ours, brought to the form in which they can be compared.

Names become roles (a Deployment's first ReplicaSet, any Pod of it), times and addresses are left out, and
each object becomes the sequence of its faces: what a person who watches `kubectl get` and `describe` sees.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

Manifest = dict[str, Any]


class Change(NamedTuple):
    """One watch event; `parent` is the name of the controlling owner, if known."""

    type: str
    kind: str
    name: str
    parent: str
    status: Manifest
    spec: Manifest
    deleting: bool
    endpoints: list[Manifest]


class Told(NamedTuple):
    """One Event: about what, and what it says."""

    kind: str
    name: str
    reason: str
    message: str


def condition(status: Manifest, kind: str) -> list[str]:
    for found in status.get("conditions", ()):
        if found["type"] == kind:
            return [found["status"], found.get("reason", "")]
    return []


def face(change: Change) -> Any:
    """What of an object is compared; lists and texts only, so that it is the same in JSON."""
    status = change.status
    if change.type == "DELETED":
        return "deleted"
    if change.kind == "Pod":
        return [
            status.get("phase"),
            *[condition(status, kind) for kind in ("PodReadyToStartContainers", "Initialized", "Ready")],
            [
                _container(c)
                for field in ("initContainerStatuses", "containerStatuses")
                for c in status.get(field, ())
            ],
            "address" if status.get("podIP") else "no address",
            "deleting" if change.deleting else "",
        ]
    if change.kind == "Deployment":
        kinds = ("Available", "Progressing", "ReplicaFailure")
        return [condition(status, kind) for kind in kinds] + (["deleting"] if change.deleting else [])
    if change.kind == "ReplicaSet":
        return change.spec.get("replicas")
    if change.kind == "EndpointSlice":
        return sorted(
            "".join(
                letter if endpoint.get("conditions", {}).get(name) else "-"
                for letter, name in (("r", "ready"), ("s", "serving"), ("t", "terminating"))
            )
            for endpoint in change.endpoints
        )
    return "deleting" if change.deleting else "there"


def _container(status: Manifest) -> list[Any]:
    (kind, state), *_ = status["state"].items()
    last = status.get("lastState", {}).get("terminated", {})
    return [
        status["name"],
        kind,
        state.get("reason", ""),
        state.get("exitCode", ""),
        "ready" if status["ready"] else "",
        "started" if status["started"] else "",
        status["restartCount"],
        [last.get("reason", ""), last.get("exitCode", "")],
    ]


class Timeline(NamedTuple):
    """`objects`: for each role the sequences of faces, sorted (a role may have several objects)."""

    objects: dict[str, list[Any]]
    events: list[list[str]]


def reduce(changes: Iterable[Change], told: Iterable[Told]) -> Timeline:
    """Roles, faces, and what was told, without repetitions."""
    roles: dict[str, str] = {}
    numbers: dict[str, int] = defaultdict(int)
    faces: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for change in changes:
        key = f"{change.kind}/{change.name}"
        if key not in roles:
            roles[key] = _role(change, roles, numbers)
        shown = face(change)
        known = faces[roles[key], change.name]
        if not known or known[-1] != shown:
            known.append(shown)
    objects: dict[str, list[Any]] = defaultdict(list)
    for (role, _), sequence in faces.items():
        if role:
            objects[role].append(sequence)
    by_name = {key.partition("/")[2]: role for key, role in roles.items() if role}
    events = sorted({tuple(_event(item, roles, by_name)) for item in told})
    return Timeline(
        {role: sorted(found, key=str) for role, found in sorted(objects.items())}, [list(e) for e in events]
    )


def _role(change: Change, roles: dict[str, str], numbers: dict[str, int]) -> str:
    if change.kind == "ReplicaSet":
        owner = change.parent or "nobody"
        numbers[owner] += 1
        return f"ReplicaSet/{owner}#{numbers[owner]}"
    if change.kind == "Pod" and change.parent:
        parent = roles.get(f"ReplicaSet/{change.parent}", change.parent).partition("/")[2]
        return f"Pod/{parent}*"
    if change.kind == "EndpointSlice":
        return f"EndpointSlice/{change.name.rpartition('-')[0]}"
    if change.kind in ("Pod", "Deployment"):
        return f"{change.kind}/{change.name}"
    return ""


def _event(told: Told, roles: dict[str, str], by_name: dict[str, str]) -> list[str]:
    message = told.message
    for name in sorted(by_name, key=len, reverse=True):
        message = message.replace(name, by_name[name].partition("/")[2]) if "-" in name else message
    message = re.sub(r"\d+\.\d+\.\d+\.\d+", "IP", message)
    message = re.sub(r"<uid-\d+>|[0-9a-f]{8}-[0-9a-f-]{27}", "UID", message)
    message = re.sub(r"Successfully assigned [^/]+/", "Successfully assigned NAMESPACE/", message)
    message = re.sub(r"node-001|to dockyard(-\d)?", "NODE", message).replace("to NODE", "NODE")
    message = re.sub(r"in (ConfigMap|Secret) [^/ ]+/", r"in \1 NAMESPACE/", message)
    message = re.sub(r"(in pod [^_ ]+)_[^( ]+\(", r"\1_NAMESPACE(", message)
    return [roles.get(f"{told.kind}/{told.name}", told.kind), told.reason, message.strip()]
