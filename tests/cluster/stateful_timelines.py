"""Recorded and our own histories of stateful objects, in the form in which they can be compared.

Random parts of names become roles (a revision by its turn, a provisioned volume by its claim). Each object
becomes the sequence of its faces, without repetitions: counts, phases, who owns it, what holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

Manifest = dict[str, Any]

KINDS = (
    "StatefulSet",
    "DaemonSet",
    "ControllerRevision",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "Pod",
)


class Change(NamedTuple):
    """One change of an object; `object` has metadata, spec and status, and a revision its number."""

    type: str
    object: Manifest


class History(NamedTuple):
    """The faces of each role's object, one after the other, and what Events said, sorted."""

    objects: dict[str, list[Any]]
    events: list[list[str]]


class _Roles:
    """Names for what has a random one."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.volumes: dict[str, str] = {}
        self.daemons: dict[str, str] = {}

    def learn(self, obj: Manifest) -> None:
        kind, metadata = obj["kind"], obj["metadata"]
        name = metadata["name"]
        if kind == "ControllerRevision":
            self.hashes.setdefault(name, f"revision {len(self.hashes) + 1}")
        elif kind == "PersistentVolume" and name.startswith("pvc-") and len(name) > 30:
            if name not in self.volumes:
                role = f"volume of {obj['spec']['claimRef']['name']}"
                number = sum(other.startswith(role) for other in self.volumes.values()) + 1
                self.volumes[name] = f"{role} #{number}"
        elif kind == "Pod" and _owner_kinds(metadata) == ["DaemonSet"]:
            self.daemons.setdefault(name, f"daemon {len(self.daemons) + 1}")

    def name(self, text: str) -> str:
        for table in (self.hashes, self.volumes, self.daemons):
            for name, role in table.items():
                text = text.replace(name, role)
        return text


def reduce(changes: Iterable[Change], told: Iterable[list[str]]) -> History:
    """Roles and faces of the changes; `told` are Events as [kind, name, type, reason, message]."""
    roles = _Roles()
    faces: dict[str, list[Any]] = {}
    for change in changes:
        obj = change.object
        if obj["kind"] not in KINDS:
            continue
        roles.learn(obj)
        role = f"{obj['kind']}/{roles.name(obj['metadata']['name'])}"
        face = "deleted" if change.type == "DELETED" else _face(obj, roles)
        known = faces.setdefault(role, [])
        if face is not None and (not known or known[-1] != face):
            known.append(face)
    events = {tuple(_event(event, roles)) for event in told if event[0] in KINDS}
    return History(dict(sorted(faces.items())), [list(event) for event in sorted(events)])


def _event(event: list[str], roles: _Roles) -> list[str]:
    kind, name, type, reason, message = event
    message = re.sub(r"Successfully assigned [^/]+/(\S+) to \S+", r"Successfully assigned \1", message)
    return [f"{kind}/{roles.name(name)}", type, reason, roles.name(message)]


def _face(obj: Manifest, roles: _Roles) -> Any:
    kind, metadata, status = obj["kind"], obj["metadata"], obj.get("status") or {}
    if kind in ("StatefulSet", "DaemonSet"):
        shown = {key: value for key, value in status.items() if key not in ("conditions",)}
        return {key: roles.name(value) if isinstance(value, str) else value for key, value in shown.items()}
    if kind == "ControllerRevision":
        return obj["revision"]
    if kind == "Pod":
        return _pod(metadata, status, roles)
    held = (
        [[owner["kind"], owner["name"]] for owner in metadata.get("ownerReferences") or ()],
        metadata.get("finalizers") or [],
    )
    leaving = "deleting" if "deletionTimestamp" in metadata else ""
    annotations = sorted(name for name in metadata.get("annotations") or () if "last-applied" not in name)
    if kind == "PersistentVolumeClaim":
        volume = roles.name(obj["spec"].get("volumeName", ""))
        size = (status.get("capacity") or {}).get("storage", "")
        return [
            status.get("phase"),
            volume,
            obj["spec"].get("storageClassName"),
            size,
            annotations,
            *held,
            leaving,
        ]
    claim = (obj["spec"].get("claimRef") or {}).get("name", "")
    policy = obj["spec"]["persistentVolumeReclaimPolicy"]
    # Once it is released, two loops of the real controller take turns at one of the finalizers.
    finalizers = [] if status.get("phase") == "Released" else sorted(held[1])
    return [status.get("phase"), claim, policy, annotations, finalizers, leaving]


def _pod(metadata: Manifest, status: Manifest, roles: _Roles) -> Any:
    labels = {k: roles.name(v) for k, v in (metadata.get("labels") or {}).items()}
    if "DaemonSet" in _owner_kinds(metadata):
        labels.pop("controller-revision-hash", None)
    states = [next(iter(c["state"])) for c in status.get("containerStatuses", ())]
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in status.get("conditions", ())
    )
    leaving = "deleting" if "deletionTimestamp" in metadata else ""
    # Between its creation and its first report a Pod's scheduling is seen in one step or in two.
    if not states and not leaving and any(c["type"] == "PodScheduled" for c in status.get("conditions", ())):
        return None
    return [labels, status.get("phase"), states, "ready" if ready else "", leaving]


def _owner_kinds(metadata: Manifest) -> list[str]:
    return [owner["kind"] for owner in metadata.get("ownerReferences") or ()]
