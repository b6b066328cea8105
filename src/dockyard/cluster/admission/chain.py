"""The order of admission: what changes an object, and, once it is valid, what may still refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockyard.cluster.admission import jobs, limitranger, namespaces, pods, podsecurity, quotas
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.storage import admission as storage

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]


def on_create(api: Api, kind: Kind, obj: Manifest, namespace: str) -> None:
    """Admit a new object. Raises NotFound for a missing namespace, Forbidden for what is not allowed."""
    if kind.namespaced:
        namespaces.check(api, kind, obj, namespace)
    if kind.key == "Namespace":
        namespaces.label(obj)
    elif kind.key == "Pod":
        limitranger.fill(api, obj, namespace)
        pods.add_service_account(api, obj, namespace)
        pods.set_priority(api, obj)
        pods.refuse_runtime_class(obj)
        pods.tolerate(obj)
    elif kind.key in ("PersistentVolumeClaim", "PersistentVolume"):
        storage.on_create(api, kind, obj)
    elif kind.key == "Node":
        taints = obj.setdefault("spec", {}).setdefault("taints", [])
        if not any(taint.get("key") == pods.NOT_READY for taint in taints):
            taints.append({"key": pods.NOT_READY, "effect": "NoSchedule"})


def complete(api: Api, kind: Kind, obj: Manifest) -> None:
    """Fill in what depends on the metadata that the server just made."""
    if kind.key == "Pod":
        obj["status"]["qosClass"] = pods.quality(obj["spec"])
    elif kind.key == "Job":
        jobs.select_own_pods(obj)
    elif kind.key == "PersistentVolume":
        storage.complete(api, obj)


def on_update(api: Api, kind: Kind, obj: Manifest, old: Manifest) -> None:
    """Admit a replaced object."""
    if kind.key == "Namespace":
        namespaces.keep(obj, old)
    elif kind.key == "Service":
        spec, stored = obj.get("spec") or {}, old["spec"]
        # Who changes clusterIP alone means the first of clusterIPs too.
        if spec.get("clusterIP") != stored.get("clusterIP") and spec.get("clusterIPs") == stored.get(
            "clusterIPs"
        ):
            spec.pop("clusterIPs", None)
    elif kind.key == "Pod" and "serviceAccountName" in obj.get("spec", {}):
        # The deprecated twin of serviceAccountName follows it.
        obj["spec"]["serviceAccount"] = obj["spec"]["serviceAccountName"]
    elif kind.key == "PersistentVolumeClaim":
        storage.on_update(api, kind, obj, old)


def review(api: Api, kind: Kind, obj: Manifest, old: Manifest | None) -> quotas.Charges:
    """Judge a valid object against the policies of its namespace; what quotas have to be charged for it.

    Raises Forbidden, and Invalid for a Namespace whose labels name no Pod Security level.
    """
    if kind.key == "Namespace":
        podsecurity.check_labels(obj)
        return ()
    if not kind.namespaced:
        return ()
    limitranger.check(api, kind, obj, old)
    if kind.key == "Pod":
        podsecurity.check(api, obj, old)
    return quotas.check(api, kind, obj, old)


def charge(api: Api, charges: quotas.Charges) -> None:
    """Count what `review` allowed; done before the object is stored, so that no two share the last place."""
    quotas.charge(api, charges)


def on_delete(kind: Kind, name: str) -> None:
    """Refuse to delete the namespaces that a cluster cannot live without. Raises Forbidden."""
    namespaces.protect(kind, name)


def warnings(api: Api, kind: Kind, obj: Manifest, old: Manifest | None = None) -> list[str]:
    """What policies say about an object that was just written, without refusing it."""
    return podsecurity.warnings(api, kind, obj, old)
