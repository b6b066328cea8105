"""Endpoints: the older list of a Service's addresses, which some clients still read."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import condition, is_finished, is_ready, is_terminating
from dockyard.cluster.servicepods import changed_services, pods_of, resolved_ports
from dockyard.cluster.store import Event, Manifest

MANAGED_BY = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


def controller(api: Api) -> Controller:
    def services(event: Event) -> Iterable[Key]:
        return changed_services(api, event)

    return KindController(api, "endpoints", "Service", reconcile, triggers={"Pod": services}, removed=_remove)


def reconcile(api: Api, service: Manifest) -> None:
    """Make the Endpoints object of the Service's name list its Pods, ready and not ready."""
    metadata = service["metadata"]
    # Differs: Endpoints written by hand, for a Service without a selector, get no EndpointSlice of their own.
    if not service["spec"].get("selector") or service["spec"]["type"] == "ExternalName":
        return
    pods = [
        pod
        for pod in pods_of(api, service)
        if pod["status"].get("podIP") and not is_finished(pod) and not is_terminating(pod)
    ]
    subsets = _subsets(service, pods)
    labels = dict(metadata.get("labels", {}))
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    labels |= MANAGED_BY
    times = [metadata["creationTimestamp"]]
    times += [ready["lastTransitionTime"] for pod in pods if (ready := condition(pod, "Ready")) is not None]
    existing = api.find("Endpoints", metadata["name"], metadata["namespace"])
    if existing is None:
        created: Manifest = {
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "labels": labels,
                "annotations": {TRIGGER_TIME: max(times)},
            }
        }
        if subsets:
            created["subsets"] = subsets
        api.create("Endpoints", created, namespace=metadata["namespace"])
        return
    if existing.get("subsets", []) == subsets and existing["metadata"].get("labels") == labels:
        return
    existing["metadata"]["labels"] = labels
    annotations = existing["metadata"].setdefault("annotations", {})
    annotations[TRIGGER_TIME] = max(annotations.get(TRIGGER_TIME, ""), *times)
    existing["subsets"] = subsets
    if not subsets:
        del existing["subsets"]
    api.update("Endpoints", existing)


def _remove(api: Api, key: Key) -> None:
    existing = api.find("Endpoints", key.name, key.namespace)
    if existing is not None and MANAGED_BY.items() <= existing["metadata"].get("labels", {}).items():
        api.delete("Endpoints", key.name, key.namespace)


def _subsets(service: Manifest, pods: list[Manifest]) -> list[Manifest]:
    # Addresses with the same ports share a subset, sorted by address, as upstream repacks them.
    by_ports: list[tuple[list[Manifest], list[Manifest], list[Manifest]]] = []
    for pod in pods:
        ports = sorted(resolved_ports(service, pod) or [], key=lambda port: port["name"])
        for port in ports:
            if not port["name"]:
                del port["name"]
        address = {
            "ip": pod["status"]["podIP"],
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": {
                "kind": "Pod",
                "namespace": pod["metadata"]["namespace"],
                "name": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
            },
        }
        ready = is_ready(pod) or service["spec"].get("publishNotReadyAddresses", False)
        entry = next((found for found in by_ports if found[0] == ports), None)
        if entry is None:
            entry = (ports, [], [])
            by_ports.append(entry)
        entry[1 if ready else 2].append(address)
    subsets = []
    for ports, addresses, not_ready in by_ports:
        subset: Manifest = {}
        if addresses:
            subset["addresses"] = sorted(addresses, key=lambda address: str(address["ip"]))
        if not_ready:
            subset["notReadyAddresses"] = sorted(not_ready, key=lambda address: str(address["ip"]))
        if ports:
            subset["ports"] = ports
        subsets.append(subset)
    return subsets
