"""What happens to an object between defaulting and validation: rules that look beyond the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockyard.cluster.errors import Forbidden, NotFound
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.names import generate_name

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

PROTECTED = ("default", "kube-system", "kube-public")
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def on_create(api: Api, kind: Kind, obj: Manifest, namespace: str) -> None:
    """Admit a new object. Raises NotFound for a missing namespace, Forbidden for what is not allowed."""
    if kind.namespaced:
        _check_namespace(api, kind, obj, namespace)
    if kind.kind == "Namespace":
        name = obj["metadata"].get("name")
        if name:
            obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
        obj["spec"] = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
    elif kind.kind == "Pod":
        _add_service_account(api, obj, namespace)
        _set_priority(api, obj)
        _refuse_runtime_class(obj)
        _tolerate(obj)
    elif kind.kind == "Node":
        taints = obj.setdefault("spec", {}).setdefault("taints", [])
        if not any(taint.get("key") == _TOLERATED[0] for taint in taints):
            taints.append({"key": _TOLERATED[0], "effect": "NoSchedule"})


def complete(api: Api, kind: Kind, obj: Manifest) -> None:
    """Fill in what depends on the metadata that the server just made."""
    if kind.kind == "Pod":
        obj["status"]["qosClass"] = quality(obj["spec"])
    elif kind.kind == "Job":
        _select_own_pods(obj)


def on_update(kind: Kind, obj: Manifest, old: Manifest) -> None:
    """Admit a replaced object."""
    if kind.kind == "Namespace":
        labels = obj["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = old["metadata"]["name"]
        obj["spec"] = old.get("spec", {})
    elif kind.kind == "Service":
        spec, stored = obj.get("spec") or {}, old["spec"]
        # Who changes clusterIP alone means the first of clusterIPs too.
        if spec.get("clusterIP") != stored.get("clusterIP") and spec.get("clusterIPs") == stored.get(
            "clusterIPs"
        ):
            spec.pop("clusterIPs", None)
    elif kind.kind == "Pod" and "serviceAccountName" in obj.get("spec", {}):
        # The deprecated twin of serviceAccountName follows it.
        obj["spec"]["serviceAccount"] = obj["spec"]["serviceAccountName"]


def on_delete(kind: Kind, name: str) -> None:
    """Refuse to delete the namespaces that a cluster cannot live without."""
    if kind.kind == "Namespace" and name in PROTECTED:
        raise Forbidden.of(kind, name, "this namespace may not be deleted")


def furnish(api: Api, namespace: str) -> None:
    """Give a new namespace its default ServiceAccount and the cluster's CA.

    Differs: both are there at once; in Kubernetes two controllers bring them within a second.
    """
    if api.find("ServiceAccount", "default", namespace) is None:
        api.create("ServiceAccount", {"metadata": {"name": "default", "namespace": namespace}})
    if api.find("ConfigMap", "kube-root-ca.crt", namespace) is None:
        note = (
            "Contains a CA bundle that can be used to verify the kube-apiserver when using "
            "internal endpoints such "
            "as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
            "distributions of Kubernetes clusters."
        )
        metadata = {
            "name": "kube-root-ca.crt",
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": note},
        }
        api.create("ConfigMap", {"metadata": metadata, "data": {"ca.crt": api.root_ca}})


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


def _check_namespace(api: Api, kind: Kind, obj: Manifest, namespace: str) -> None:
    from dockyard.cluster.kinds import KINDS

    record = api.store.get("Namespace", "", namespace)
    if record is None:
        raise NotFound.of(KINDS["Namespace"], namespace)
    if "deletionTimestamp" in record.load()["metadata"]:
        name = obj["metadata"].get("name", "")
        refusal = Forbidden.of(
            kind,
            name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        (refusal.details or {})["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        raise refusal


def _add_service_account(api: Api, pod: Manifest, namespace: str) -> None:
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


def _set_priority(api: Api, pod: Manifest) -> None:
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


def _refuse_runtime_class(pod: Manifest) -> None:
    from dockyard.cluster.kinds import KINDS

    name = pod["spec"].get("runtimeClassName")
    if name:  # there are none, as on a new cluster
        why = f'pod rejected: RuntimeClass "{name}" not found'
        raise Forbidden.of(KINDS["Pod"], pod["metadata"].get("name", ""), why)


def _tolerate(pod: Manifest) -> None:
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


def _select_own_pods(job: Manifest) -> None:
    spec = job.get("spec") or {}
    if spec.get("manualSelector") or not isinstance(spec.get("template"), dict):
        return
    uid, name = job["metadata"]["uid"], job["metadata"].get("name", "")
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for prefix in ("batch.kubernetes.io/", ""):
        labels.setdefault(f"{prefix}controller-uid", uid)
        labels.setdefault(f"{prefix}job-name", name)
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector.setdefault("batch.kubernetes.io/controller-uid", uid)
    if not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)
