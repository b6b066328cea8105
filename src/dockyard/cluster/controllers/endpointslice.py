"""EndpointSlice: the addresses behind a Service, and whether each is ready, serving or terminating."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.owners import controller_reference
from dockyard.cluster.podstate import condition, is_finished, is_ready, is_terminating
from dockyard.cluster.servicepods import changed_services, pods_of, resolved_ports
from dockyard.cluster.store import Event, Manifest

MANAGED_BY = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
MOST_ENDPOINTS = 100


def controller(api: Api) -> Controller:
    def services(event: Event) -> Iterable[Key]:
        return changed_services(api, event)

    def service_of(event: Event) -> Iterable[Key]:
        labels = event.object["metadata"].get("labels", {})
        mine = labels.get("endpointslice.kubernetes.io/managed-by") == MANAGED_BY and SERVICE_NAME in labels
        mine = mine and event.type == "DELETED"
        return [Key(event.namespace, labels[SERVICE_NAME])] if mine else ()

    return KindController(
        api, "endpointslice", "Service", reconcile, triggers={"Pod": services, "EndpointSlice": service_of}
    )


def reconcile(api: Api, service: Manifest) -> None:
    """Make the Service's slices list exactly its Pods that have an address and have not finished."""
    if not service["spec"].get("selector") or is_terminating(service):
        return
    if service["spec"]["type"] == "ExternalName":
        return
    metadata = service["metadata"]
    slices = [
        found
        for found in api.list("EndpointSlice", metadata["namespace"], labels={SERVICE_NAME: metadata["name"]})
        if found["metadata"]["labels"].get("endpointslice.kubernetes.io/managed-by") == MANAGED_BY
    ]
    groups = _groups(service, pods_of(api, service))
    if not groups:
        # A Service without Pods still has one slice, so that a client can tell "none" from "not yet".
        groups = [(None, [])]
    unmatched = list(slices)
    for ports, pods in groups:
        for start in range(0, max(1, len(pods)), MOST_ENDPOINTS):
            part = pods[start : start + MOST_ENDPOINTS]
            existing = next((s for s in unmatched if s.get("ports") == ports), None)
            if existing is None:
                existing = next((s for s in unmatched if not s.get("endpoints") or len(groups) == 1), None)
            if existing is not None:
                unmatched.remove(existing)
            _write(api, service, existing, ports, part)
    for leftover in unmatched:
        api.delete("EndpointSlice", leftover["metadata"]["name"], metadata["namespace"])


def _groups(service: Manifest, pods: list[Manifest]) -> list[tuple[list[Manifest] | None, list[Manifest]]]:
    # One slice has one list of ports, and a named targetPort may be another number in another Pod.
    groups: list[tuple[list[Manifest] | None, list[Manifest]]] = []
    for pod in pods:
        if is_finished(pod) or not pod["status"].get("podIP"):
            continue
        ports = resolved_ports(service, pod)
        for known, members in groups:
            if known == ports:
                members.append(pod)
                break
        else:
            groups.append((ports, [pod]))
    return groups


def _write(
    api: Api, service: Manifest, existing: Manifest | None, ports: list[Manifest] | None, pods: list[Manifest]
) -> None:
    endpoints = [_endpoint(service, pod) for pod in pods]
    if existing is None:
        metadata = service["metadata"]
        created: Manifest = {
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": _labels(service),
                "annotations": {TRIGGER_TIME: _trigger_time(service, pods)},
                "ownerReferences": [controller_reference(service)],
            },
            "addressType": "IPv4",
            "endpoints": endpoints or None,
            "ports": ports,
        }
        api.create("EndpointSlice", created, namespace=metadata["namespace"])
        return
    endpoints = _in_known_order(existing.get("endpoints") or [], endpoints)
    same = (existing.get("endpoints") or []) == endpoints and existing.get("ports") == ports
    if same and existing["metadata"]["labels"] == _labels(service):
        return
    existing["endpoints"] = endpoints or None
    existing["ports"] = ports
    existing["metadata"]["labels"] = _labels(service)
    annotations = existing["metadata"].setdefault("annotations", {})
    annotations[TRIGGER_TIME] = max(annotations.get(TRIGGER_TIME, ""), _trigger_time(service, pods))
    api.update("EndpointSlice", existing)


def _labels(service: Manifest) -> dict[str, str]:
    labels = dict(service["metadata"].get("labels", {}))
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    labels["endpointslice.kubernetes.io/managed-by"] = MANAGED_BY
    labels[SERVICE_NAME] = service["metadata"]["name"]
    return labels


def _trigger_time(service: Manifest, pods: list[Manifest]) -> str:
    """When the newest change happened that this slice shows: a Pod's readiness, or the Service itself."""
    times: list[str] = [service["metadata"]["creationTimestamp"]]
    times += [ready["lastTransitionTime"] for pod in pods if (ready := condition(pod, "Ready")) is not None]
    return max(times)


def _in_known_order(before: list[Manifest], now: list[Manifest]) -> list[Manifest]:
    wanted = {endpoint["targetRef"]["uid"]: endpoint for endpoint in now}
    known = [uid for endpoint in before if (uid := endpoint.get("targetRef", {}).get("uid")) in wanted]
    order = [*known, *(uid for uid in wanted if uid not in known)]
    return [wanted[uid] for uid in order]


def _endpoint(service: Manifest, pod: Manifest) -> Manifest:
    serving, terminating = is_ready(pod), is_terminating(pod)
    publish_all = service["spec"].get("publishNotReadyAddresses", False)
    endpoint: Manifest = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publish_all or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
        "nodeName": pod["spec"]["nodeName"],
    }
    hostname, subdomain = pod["spec"].get("hostname"), pod["spec"].get("subdomain")
    if hostname and subdomain == service["metadata"]["name"]:
        endpoint["hostname"] = hostname
    return endpoint
