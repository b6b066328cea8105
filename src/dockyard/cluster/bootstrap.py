"""The objects that every cluster begins with."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.access import roles
from dockyard.cluster.access.aggregation import aggregate
from dockyard.cluster.api import Api
from dockyard.cluster.storage import classes

Manifest = dict[str, Any]

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
API_ADDRESS = "10.96.0.1"
_CRITICAL = (("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000))


def bootstrap(api: Api) -> None:
    """Create what is missing; harmless on a cluster that has it."""
    for name in NAMESPACES:
        if api.find("Namespace", name) is None:
            api.create("Namespace", {"metadata": {"name": name}})
    for name, value in _CRITICAL:
        if api.find("PriorityClass", name) is None:
            text = f"Used for system critical pods that must {_must(name)}"
            api.create("PriorityClass", {"metadata": {"name": name}, "value": value, "description": text})
    _bootstrap_roles(api)
    classes.bootstrap(api)
    if api.find("Service", "kubernetes", "default") is None:
        labels = {"component": "apiserver", "provider": "kubernetes"}
        ports = [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}]
        api.create(
            "Service",
            {
                "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
                "spec": {"clusterIP": API_ADDRESS, "ports": ports},
            },
        )


def _bootstrap_roles(api: Api) -> None:
    """Create the default roles and their bindings.

    Differs: at a start, what is missing comes back, and what was changed stays changed; upstream also puts
    back rules and subjects that were removed from what is annotated with autoupdate.
    """
    for kind, wanted in (
        ("ClusterRole", roles.cluster_roles()),
        ("ClusterRoleBinding", roles.cluster_role_bindings()),
    ):
        for obj in wanted:
            if api.find(kind, obj["metadata"]["name"]) is None:
                api.create(kind, obj)
    for name in roles.AGGREGATED:
        # The controller does it too; but the first request must not find `view` without a rule.
        aggregate(api, api.get("ClusterRole", name))


def _must(name: str) -> str:
    if name == "system-cluster-critical":
        return "run in the cluster, but can be moved to another node if necessary."
    return "not be moved from their current node."
