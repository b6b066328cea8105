"""The objects that every cluster begins with."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.access import autoupdate
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
    autoupdate.bootstrap(api)
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


def _must(name: str) -> str:
    if name == "system-cluster-critical":
        return "run in the cluster, but can be moved to another node if necessary."
    return "not be moved from their current node."
