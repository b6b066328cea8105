"""Namespace: empties a namespace that is being deleted, then lets it go."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, MethodNotAllowed, NotFound
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import rfc3339

# The order of upstream's conditions, each with what a clean sweep says.
_CLEAN = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
)


def controller(api: Api) -> Controller:
    return _Namespaces(api, "namespace", "Namespace", reconcile)


class _Namespaces(KindController):
    """Also wakes a namespace when something in it has gone."""

    def keys(self, event: Event) -> list[Key]:
        if event.kind == "Namespace":
            return [Key("", event.name)]
        gone = event.type == "DELETED" and event.namespace and event.kind != "Event"
        return [Key("", event.namespace)] if gone else []


class _Sweep(NamedTuple):
    remaining: Counter[str]  # resource, such as "configmaps." or "deployments.apps": how many are left
    finalizers: Counter[str]
    failures: list[str]


def reconcile(api: Api, namespace: Manifest) -> None:
    """Delete all that is in a terminating namespace; when nothing is left, remove the finalizer that held it.

    Differs: upstream waits 5 s first, so that every API server of a large cluster refuses new objects; here
    there is one.
    """
    if not is_terminating(namespace):
        return
    sweep = _sweep(api, namespace["metadata"]["name"])
    _report(api, namespace, sweep)
    if not sweep.remaining and not sweep.failures:
        fresh = api.find("Namespace", namespace["metadata"]["name"])
        if fresh is not None:
            kept = [f for f in fresh["spec"].get("finalizers", ()) if f != "kubernetes"]
            api.finalize(fresh | {"spec": {"finalizers": kept}})


def _sweep(api: Api, namespace: str) -> _Sweep:
    remaining: Counter[str] = Counter()
    finalizers: Counter[str] = Counter()
    failures: list[str] = []
    # Pods last: a Pod that goes before its controller is replaced at once.
    kinds = sorted((k for k in api.kinds.values() if k.namespaced), key=lambda kind: kind.kind == "Pod")
    for kind in kinds:
        for obj in api.list(kind.key, namespace):
            if not is_terminating(obj):
                try:
                    api.delete(kind.key, obj["metadata"]["name"], namespace, propagation_policy="Background")
                except (NotFound, MethodNotAllowed):
                    continue
                except ApiError as error:
                    failures.append(error.message)
            if (left := api.find(kind.key, obj["metadata"]["name"], namespace)) is not None:
                remaining[f"{kind.plural}.{kind.group}"] += 1
                finalizers.update(left["metadata"].get("finalizers", ()))
    return _Sweep(remaining, finalizers, failures)


def _report(api: Api, namespace: Manifest, sweep: _Sweep) -> None:
    problems: dict[str, tuple[str, str]] = {}
    if sweep.failures:
        message = "Failed to delete all resource types, 1 remaining: " + ", ".join(sweep.failures)
        problems["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", message)
    if sweep.remaining:
        counted = ", ".join(
            f"{name} has {n} resource instances" for name, n in sorted(sweep.remaining.items())
        )
        problems["NamespaceContentRemaining"] = (
            "SomeResourcesRemain",
            f"Some resources are remaining: {counted}",
        )
    if sweep.finalizers:
        counted = ", ".join(
            f"{name} in {n} resource instances" for name, n in sorted(sweep.finalizers.items())
        )
        problems["NamespaceFinalizersRemaining"] = (
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {counted}",
        )
    status = dict(namespace.get("status", {}))
    before = {condition["type"]: condition for condition in status.get("conditions", ())}
    conditions = []
    for kind, reason, message in _CLEAN:
        value = "True" if kind in problems else "False"
        reason, message = problems.get(kind, (reason, message))
        known = before.get(kind)
        same = known is not None and known["status"] == value
        since = known["lastTransitionTime"] if known is not None and same else rfc3339(api.clock.now())
        conditions.append(
            {"type": kind, "status": value, "lastTransitionTime": since, "reason": reason, "message": message}
        )
    if conditions != status.get("conditions"):
        status["conditions"] = conditions
        api.update_status("Namespace", namespace | {"status": status})
