"""Root CA: publishes the cluster's CA as the ConfigMap kube-root-ca.crt, and undoes changes of it."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.admission import furnish
from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.store import Event, Manifest

NAME = "kube-root-ca.crt"


def controller(api: Api) -> Controller:
    def namespace_of(event: Event) -> Iterable[Key]:
        return (Key("", event.namespace),) if event.name == NAME else ()

    return KindController(api, "rootcacert", "Namespace", reconcile, triggers={"ConfigMap": namespace_of})


def reconcile(api: Api, namespace: Manifest) -> None:
    """Make the ConfigMap hold this cluster's CA; a home that got new keys has a new one."""
    if is_terminating(namespace):
        return
    name = namespace["metadata"]["name"]
    furnish(api, name)
    found = api.get("ConfigMap", NAME, name)
    if found.get("data") != {"ca.crt": api.root_ca}:
        api.update("ConfigMap", found | {"data": {"ca.crt": api.root_ca}})
