"""Pods: the ServiceAccount with its token, the priority, the tolerations and the quality of service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockyard.cluster.errors import Forbidden
from dockyard.cluster.names import generate_name

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

NOT_READY = "node.kubernetes.io/not-ready"
_TOLERATED = (NOT_READY, "node.kubernetes.io/unreachable")
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def quality(spec: Manifest) -> str:
    """The quality-of-service class of a Pod."""
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    named = False
    guaranteed = True
    for container in containers:
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for resource in ("cpu", "memory"):
            named = named or resource in requests or resource in limits
            if resource not in limits or requests.get(resource, limits[resource]) != limits[resource]:
                guaranteed = False
    if not named:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def add_service_account(api: Api, pod: Manifest, namespace: str) -> None:
    """Name the ServiceAccount, and mount its token. Raises Forbidden for an unknown one."""
    from dockyard.cluster.kinds import KINDS

    spec = pod.setdefault("spec", {})
    if not isinstance(spec.get("containers"), list) or "kubernetes.io/config.mirror" in (
        pod["metadata"].get("annotations") or {}
    ):
        return
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    account = api.find("ServiceAccount", name, namespace)
    if account is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise Forbidden.of(KINDS["Pod"], pod["metadata"].get("name", ""), why)
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wanted:
        _mount_token(spec)


def _mount_token(spec: Manifest) -> None:
    volumes = spec.get("volumes") or []
    name = next((v["name"] for v in volumes if str(v.get("name")).startswith("kube-api-access-")), None)
    created = name is None
    name = name or generate_name("kube-api-access-")
    mounted = False
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == _TOKEN_PATH for mount in mounts):
            continue
        mounted = True
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}]
    if created and mounted:
        sources = [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ]
        spec["volumes"] = [*volumes, {"name": name, "projected": {"sources": sources, "defaultMode": 420}}]


def set_priority(api: Api, pod: Manifest) -> None:
    """Look up the PriorityClass. Raises Forbidden for an unknown one."""
    from dockyard.cluster.kinds import KINDS

    spec = pod["spec"]
    name = spec.get("priorityClassName")
    row: Manifest | None
    if name:
        row = api.find("PriorityClass", name)
        if row is None:
            why = f"no PriorityClass with name {name} was found"
            raise Forbidden.of(KINDS["Pod"], pod["metadata"].get("name", ""), why)
    else:
        row = next((row for row in api.list("PriorityClass") if row.get("globalDefault")), None)
        if row is not None:
            spec["priorityClassName"] = row["metadata"]["name"]
    spec["priority"] = row["value"] if row else 0
    spec.setdefault("preemptionPolicy", (row or {}).get("preemptionPolicy", "PreemptLowerPriority"))


def refuse_runtime_class(pod: Manifest) -> None:
    """Refuse any RuntimeClass. Raises Forbidden."""
    from dockyard.cluster.kinds import KINDS

    name = pod["spec"].get("runtimeClassName")
    if name:  # there are none, as on a new cluster
        why = f'pod rejected: RuntimeClass "{name}" not found'
        raise Forbidden.of(KINDS["Pod"], pod["metadata"].get("name", ""), why)


def tolerate(pod: Manifest) -> None:
    """Stay for five minutes on a node that is not ready or not reachable."""
    tolerations = pod["spec"].setdefault("tolerations", [])
    for key in _TOLERATED:
        if any(
            toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")
            for toleration in tolerations
        ):
            continue
        tolerations.append(
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        )
