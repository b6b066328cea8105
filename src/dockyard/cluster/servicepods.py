"""A Service and its Pods: which belong together, and what a Service's targetPort means in a Pod."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Key
from dockyard.cluster.store import Event, Manifest


def pods_of(api: Api, service: Manifest) -> list[Manifest]:
    """The Pods that the Service's selector matches, oldest first."""
    pods = api.list("Pod", service["metadata"]["namespace"], labels=service["spec"]["selector"])
    return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def changed_services(api: Api, event: Event) -> Iterable[Key]:
    """The Services whose endpoints a change of a Pod may change."""
    if event.old is not None and event.type == "MODIFIED" and _face(event.object) == _face(event.old):
        return ()
    before = event.old["metadata"].get("labels", {}) if event.old is not None else {}
    now = event.object["metadata"].get("labels", {})
    return [
        Key(event.namespace, service["metadata"]["name"])
        for service in api.list("Service", event.namespace)
        if (selector := service["spec"].get("selector"))
        and (selector.items() <= now.items() or selector.items() <= before.items())
    ]


def _face(pod: Manifest) -> tuple[object, ...]:
    """All of a Pod that an endpoint shows."""
    ready = [c["status"] for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
    return (
        pod["metadata"].get("labels"),
        pod["status"].get("podIP"),
        pod["status"].get("phase"),
        ready,
        "deletionTimestamp" in pod["metadata"],
    )


def target_port(service_port: Manifest, pod: Manifest) -> int | None:
    """The container port number that a Service's port leads to in this Pod; None when it names none there."""
    target = service_port.get("targetPort", service_port.get("port"))
    if isinstance(target, int):
        return target or int(service_port["port"])
    protocol = service_port.get("protocol", "TCP")
    # Sidecars are init containers that stay, so their ports count.
    sidecars = [c for c in pod["spec"].get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for port in container.get("ports", ()):
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def resolved_ports(service: Manifest, pod: Manifest) -> list[Manifest] | None:
    """The ports of an EndpointSlice for this Pod; None when the Service has no ports that exist in it."""
    found = []
    for port in service["spec"].get("ports", ()):
        number = target_port(port, pod)
        if number is not None:
            entry = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": number}
            if "appProtocol" in port:
                entry["appProtocol"] = port["appProtocol"]
            found.append(entry)
    return found or None
