"""The kinds of the smaller groups; most of them are stored and shown, without behaviour of their own."""

from __future__ import annotations

from dockyard.cluster.kinds.kind import Kind

_RBAC = "rbac.authorization.k8s.io"

ROWS = (
    Kind(
        "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",),
        categories=("all",), subresources=("status",),
        initial_status={"desiredReplicas": 0, "currentMetrics": None},
    ),
    Kind(
        "batch", "v1", "CronJob", "cronjobs", short_names=("cj",), categories=("all",), generation=True,
        subresources=("status",), initial_status={},
    ),
    Kind(
        "batch", "v1", "Job", "jobs", categories=("all",), generation=True, subresources=("status",),
        initial_status={}, selectable=("status.successful",),
    ),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", generation=True),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False, generation=True),
    Kind(
        "networking.k8s.io", "v1", "Ingress", "ingresses", short_names=("ing",), generation=True,
        subresources=("status",), initial_status={"loadBalancer": {}},
    ),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", short_names=("netpol",), generation=True),
    Kind(
        "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short_names=("pdb",), generation=True,
        subresources=("status",),
        initial_status={"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    ),
    Kind(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False, path_name=True),
    Kind(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False, path_name=True),
    Kind(_RBAC, "v1", "RoleBinding", "rolebindings", path_name=True),
    Kind(_RBAC, "v1", "Role", "roles", path_name=True),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short_names=("pc",), generation=True),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False, short_names=("sc",), returns_deleted=True),
)
