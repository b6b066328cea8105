"""ServiceAccount: gives every namespace its `default` one again when it was deleted."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.admission import furnish
from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.store import Event, Manifest


def controller(api: Api) -> Controller:
    def namespace_of(event: Event) -> Iterable[Key]:
        return (Key("", event.namespace),) if event.type == "DELETED" and event.name == "default" else ()

    return KindController(
        api, "serviceaccount", "Namespace", reconcile, triggers={"ServiceAccount": namespace_of}
    )


def reconcile(api: Api, namespace: Manifest) -> None:
    """Create what Pods without a `serviceAccountName` run as, in every namespace that stays."""
    if not is_terminating(namespace):
        furnish(api, namespace["metadata"]["name"])
