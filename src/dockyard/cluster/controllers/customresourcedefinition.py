"""CustomResourceDefinition: accepts its names, establishes it, and empties it when it is deleted."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.custom.registration import CLEANUP, DEFINITION, condition_of
from dockyard.cluster.errors import NotFound
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import condition, is_terminating
from dockyard.cluster.store import Event, Manifest

# The names that no two kinds of a group may share.
_NAMES = ("plural", "singular", "kind", "listKind")


def controller(api: Api) -> Controller:
    return _Definitions(api, "customresourcedefinition", DEFINITION, reconcile)


class _Definitions(KindController):
    """Also wakes a definition that waits for its last objects to go."""

    def keys(self, event: Event) -> list[Key]:
        if event.kind == DEFINITION:
            return [Key("", event.name)]
        row = self._api.kinds.get(event.kind) if event.type == "DELETED" else None
        return [Key("", row.custom.definition)] if row is not None and row.custom is not None else []


def reconcile(api: Api, definition: Manifest) -> float | None:
    """One step at a time, each of them visible to watchers as upstream's three controllers make it."""
    if is_terminating(definition):
        _empty(api, definition)
        return None
    if _accept_names(api, definition):
        return None  # woken by that write
    accepted, established = condition(definition, "NamesAccepted"), condition(definition, "Established")
    if accepted is None or established is None or accepted["status"] != "True":
        return None
    if established["status"] != "True":
        message = "the initial names have been accepted"
        _set(api, definition, "Established", "True", "InitialNamesAccepted", message)
    return None


def _accept_names(api: Api, definition: Manifest) -> bool:
    """Claim the names, or say who has them; whether something was written."""
    names, status = definition["spec"]["names"], definition["status"]
    conflict = _conflict(api, definition)
    conditions = [dict(found) for found in status.get("conditions") or ()]
    accepted = status["acceptedNames"]
    if conflict:
        wanted = ("NamesAccepted", "False", f"{conflict[0].capitalize()}Conflict", conflict[1])
    else:
        wanted = ("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        order = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
        accepted = {name: names[name] for name in order if names.get(name)}
    _replace(conditions, *wanted, now=api.now())
    if not any(found["type"] == "Established" for found in conditions):
        installing = ("Installing", "the initial names have been accepted")
        reason, message = ("NotAccepted", "not all names are accepted") if conflict else installing
        _replace(conditions, "Established", "False", reason, message, now=api.now())
    elif not conflict and _reason(conditions, "Established") == "NotAccepted":
        message = "the initial names have been accepted"
        _replace(conditions, "Established", "False", "Installing", message, now=api.now())
    stored = list(status.get("storedVersions") or ())
    stored += [
        v["name"] for v in definition["spec"]["versions"] if v.get("storage") and v["name"] not in stored
    ]
    changed = {"conditions": conditions, "acceptedNames": accepted, "storedVersions": stored}
    if changed == {name: status.get(name) for name in changed}:
        return False
    api.update_status(DEFINITION, definition | {"status": changed})
    return True


def _conflict(api: Api, definition: Manifest) -> tuple[str, str] | None:
    """The first name that another definition of the group has, and what to say."""
    spec = definition["spec"]
    for other in api.list(DEFINITION):
        taken = (other.get("status") or {}).get("acceptedNames") or {}
        same = other["metadata"]["uid"] == definition["metadata"]["uid"]
        if same or other["spec"]["group"] != spec["group"]:
            continue
        for name in _NAMES:
            value = spec["names"].get(name)
            if value and value == taken.get(name):
                return name, f'"{value}" is already in use'
    return None


def _empty(api: Api, definition: Manifest) -> None:
    """Delete the objects of a definition that goes, and let it go when there are none left."""
    if CLEANUP not in definition["metadata"].get("finalizers", ()):
        return
    progress = "CustomResource deletion is in progress"
    if _set(api, definition, "Terminating", "True", "InstanceDeletionInProgress", progress):
        return  # woken by that write
    key = f"{definition['spec']['names']['kind']}.{definition['spec']['group']}"
    if key in api.kinds:
        for obj in api.list(key):
            if not is_terminating(obj):
                try:
                    api.delete(key, obj["metadata"]["name"], obj["metadata"].get("namespace"))
                except NotFound:
                    continue
        if api.list(key):
            return  # finalizers hold some: woken when they go
    kept = [found for found in definition["metadata"]["finalizers"] if found != CLEANUP]
    api.update(DEFINITION, definition | {"metadata": definition["metadata"] | {"finalizers": kept}})


def _set(api: Api, definition: Manifest, type_: str, status: str, reason: str, message: str) -> bool:
    conditions = [dict(found) for found in definition["status"].get("conditions") or ()]
    _replace(conditions, type_, status, reason, message, now=api.now())
    if conditions == definition["status"].get("conditions"):
        return False
    api.update_status(DEFINITION, definition | {"status": definition["status"] | {"conditions": conditions}})
    return True


def _replace(
    conditions: list[Manifest], type_: str, status: str, reason: str, message: str, *, now: str
) -> None:
    for index, found in enumerate(conditions):
        if found["type"] == type_:
            since = found["lastTransitionTime"] if found["status"] == status else now
            conditions[index] = condition_of(type_, status, since, reason, message)
            return
    conditions.append(condition_of(type_, status, now, reason, message))


def _reason(conditions: list[Manifest], type_: str) -> str:
    return next((str(found["reason"]) for found in conditions if found["type"] == type_), "")
