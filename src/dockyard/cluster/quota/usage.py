"""What one object uses, by the names that quotas have for it (pkg/quota/v1/evaluator/core)."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import quantity
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.podresources import pod_total
from dockyard.cluster.podstate import is_finished, unix

Manifest = dict[str, Any]
Amounts = dict[str, str]

_COUNTED = (
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
_COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def usage(kind: Kind, obj: Manifest, now: float) -> Amounts:
    """The amounts that the object takes at the Unix time `now`; a Pod that is over takes only its count."""
    found: Amounts = {f"count/{kind.resource}": "1"}
    if kind.group:
        return found
    if kind.plural in _COUNTED:
        found[kind.plural] = "1"
    if kind.key == "Pod" and not _is_over(obj, now):
        found |= _pod(obj["spec"])
    elif kind.key == "Service":
        found |= _service(obj["spec"])
    elif kind.key == "PersistentVolumeClaim":
        found |= _claim(obj["spec"])
    return found


def counts(kind: Kind, name: str) -> bool:
    """Whether objects of this kind are counted under this name of a quota, one of them using it or not."""
    if name == f"count/{kind.resource}":
        return True
    if kind.group:
        return False
    if kind.key == "Pod":
        base = name.removeprefix("requests.").removeprefix("limits.")
        whole = base == name or name.startswith(("requests.", "limits."))
        is_compute = base in ("cpu", "memory", "ephemeral-storage") or base.startswith("hugepages-")
        return name == "pods" or (whole and is_compute) or (name.startswith("requests.") and "/" in base)
    if kind.key == "Service":
        return name in ("services", "services.loadbalancers", "services.nodeports")
    if kind.key == "PersistentVolumeClaim":
        return name in (kind.plural, "requests.storage") or ".storageclass.storage.k8s.io/" in name
    return name == kind.plural and name in _COUNTED


def unnamed(pod: Manifest, limited: set[str]) -> str:
    """What a Pod has to name because a quota limits it, and doesn't: `must specify ...`, or nothing."""
    required = limited & set(_COMPUTE)
    missing: dict[str, list[str]] = {}
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        named = set(_compute(resources.get("requests") or {}, resources.get("limits") or {}))
        for name in required - named:
            missing.setdefault(name, []).append(container["name"])
    if not missing:
        return ""
    listed = (f"{name} for: {','.join(sorted(set(missing[name])))}" for name in sorted(missing))
    return "must specify " + "; ".join(listed)


def _is_over(pod: Manifest, now: float) -> bool:
    metadata = pod["metadata"]
    ending = metadata.get("deletionTimestamp")  # which is the end of the grace period already
    return is_finished(pod) or (ending is not None and now > unix(ending))


def _pod(spec: Manifest) -> Amounts:
    return {"pods": "1"} | _compute(pod_total(spec, "requests"), pod_total(spec, "limits"))


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    found: Amounts = {}
    for name, amount in requests.items():
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-"):
            found[name] = amount
        found[f"requests.{name}"] = amount
    return found | {f"limits.{name}": amount for name, amount in limits.items()}


def _service(spec: Manifest) -> Amounts:
    ports = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
    if spec["type"] == "NodePort":
        return {"services.nodeports": str(len(spec.get("ports") or ()))}
    if spec["type"] == "LoadBalancer":
        wanted = spec.get("allocateLoadBalancerNodePorts", True)
        taken = len(spec.get("ports") or ()) if wanted else ports
        return {"services.loadbalancers": "1"} | ({"services.nodeports": str(taken)} if taken else {})
    return {}


def _claim(spec: Manifest) -> Amounts:
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    found: Amounts = {"requests.storage": storage} if storage is not None else {}
    storage_class = spec.get("storageClassName")
    if storage_class:
        prefix = f"{storage_class}.storageclass.storage.k8s.io/"
        found[f"{prefix}persistentvolumeclaims"] = "1"
        if storage is not None:
            found[f"{prefix}requests.storage"] = quantity.canonical(storage)
    return found
