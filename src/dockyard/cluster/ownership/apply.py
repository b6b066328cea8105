"""Server-side apply: what a manager's configuration makes of the live object.

Fields that the configuration names become the manager's, those that it no longer names go unless somebody
else has them, and a field that another manager holds with another value is a conflict. Sources:
kubernetes.io/docs/reference/using-api/server-side-apply, and structured-merge-diff's updater.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from dockyard.cluster.errors import ApplyConflict
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.ownership.fieldset import EMPTY, FieldSet, shown, with_parents
from dockyard.cluster.ownership.managers import (
    Managed,
    Manager,
    Managers,
    _bare,
    described,
    owned,
    read,
    root,
    write,
)
from dockyard.cluster.ownership.typed import Type, compare, fields_of, merge, remove

Manifest = dict[str, Any]
BEFORE = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def apply_new(kind: Kind, config: Manifest, name: str, now: str) -> Manifest:
    """The object that a first apply creates, with its one manager."""
    obj = copy.deepcopy(config)
    obj.setdefault("metadata", {})
    fields = owned(kind, fields_of(config, root(kind)), "")
    write(obj, {Manager(name, "Apply", kind.api_version): Managed(fields, now)})
    return obj


def apply(
    kind: Kind, live: Manifest, config: Manifest, name: str, *, force: bool, now: str, subresource: str = ""
) -> Manifest:
    """The live object after `name` applied `config`; `live` is left alone.

    Raises ApplyConflict when others hold fields with other values, unless `force` takes these from them.
    """
    type_ = root(kind)
    managers = read(live)
    manager = Manager(name, "Apply", kind.api_version, subresource)
    before = _bare(live)
    if not managers:
        # Who wrote it before anybody kept account must not lose it to the first apply without a word.
        everything = owned(kind, fields_of(before, type_), "")
        managers[Manager(BEFORE, "Update", kind.api_version)] = Managed(everything, now)
    had = managers.get(manager, Managed(EMPTY, ""))
    wanted = owned(kind, fields_of(config, type_), subresource)
    others = {one: managed for one, managed in managers.items() if one != manager}
    merged = merge(before, _with_identity(config, live), type_)
    gone = had.fields - with_parents(wanted) - _held(others)
    after = remove(merged, type_, gone)
    difference = compare(before, after, type_)
    touched = difference.modified | difference.added
    conflicts = {one: found for one, managed in others.items() if (found := managed.fields & touched)}
    if conflicts and not force:
        # kubectl may change what it applied itself before it applied on the server's side.
        allowed = _applied_by_client(live, type_) if name == "kubectl" else EMPTY
        if refused := {one: left for one, found in conflicts.items() if (left := found - allowed)}:
            raise conflict(refused, managers)
    for one, managed in others.items():
        left = managed.fields - difference.removed - conflicts.get(one, EMPTY)
        managers[one] = managed._replace(fields=left)
    # The time is that of the last apply that changed the object, as upstream keeps it.
    managers[manager] = Managed(wanted, now if touched or difference.removed else had.time)
    result: Manifest = copy.deepcopy(after)
    annotations = result["metadata"].get("annotations") or {}
    if name == "kubectl" and LAST_APPLIED in annotations:
        # Kept in step for those who go on with client-side apply (lastappliedupdater.go).
        annotations[LAST_APPLIED] = json.dumps(config, separators=(",", ":"), sort_keys=True) + "\n"
    write(result, managers)
    return result


def _applied_by_client(live: Manifest, type_: Type) -> FieldSet:
    """What `kubectl apply` noted in its annotation and nobody has changed since (lastappliedmanager.go)."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "")
    try:
        noted = json.loads(text)
    except ValueError:
        return EMPTY
    if not isinstance(noted, dict):
        return EMPTY
    return fields_of(noted, type_) - compare(noted, live, type_).modified


def _held(managers: Managers) -> FieldSet:
    """Everything that somebody has, with what leads there."""
    return with_parents(path for managed in managers.values() for path in managed.fields)


def _with_identity(config: Manifest, live: Manifest) -> Manifest:
    """The configuration without what the server alone writes."""
    metadata = dict(config.get("metadata") or {})
    metadata.pop("managedFields", None)
    for key in ("name", "namespace"):
        if key in live["metadata"]:
            metadata[key] = live["metadata"][key]
    return {**config, "metadata": metadata}


def conflict(conflicts: dict[Manager, FieldSet], managers: Managers) -> ApplyConflict:
    """The refusal, field by field, in upstream's words."""
    causes = []
    by_manager: dict[str, list[str]] = {}
    for one, fields in sorted(conflicts.items()):
        said = f"conflict with {described(one, managers[one].time)}"
        for path in sorted(shown(path) for path in fields):
            causes.append({"reason": "FieldManagerConflict", "message": said, "field": path})
            by_manager.setdefault(said, []).append(path)
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        groups = [_group(said, paths) for said, paths in by_manager.items()]
        text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(groups)
    return ApplyConflict(text, {"causes": causes})


def _group(said: str, paths: list[str]) -> str:
    """The fields that one manager holds, a line each."""
    head = said.replace("conflict with", "conflicts with", 1)
    return "\n".join([f"{head}:", *(f"- {path}" for path in paths)])
