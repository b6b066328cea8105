"""PVC protection: a claim that is being deleted stays until no scheduled Pod uses it any more."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.storage.binding import CLAIM
from dockyard.cluster.storage.use import claims_of
from dockyard.cluster.store import Event, Manifest

FINALIZER = "kubernetes.io/pvc-protection"


def controller(api: Api) -> Controller:
    def claims(event: Event) -> Iterable[Key]:
        if event.type != "DELETED":
            return ()
        return [Key(event.namespace, name) for name in claims_of(event.object).values()]

    return KindController(api, "pvcprotection", CLAIM, reconcile, triggers={"Pod": claims})


def reconcile(api: Api, claim: Manifest) -> None:
    """Let go of a terminating claim that is not in use."""
    finalizers = claim["metadata"].get("finalizers", [])
    if not is_terminating(claim) or FINALIZER not in finalizers:
        return
    name = claim["metadata"]["name"]
    for pod in api.list("Pod", claim["metadata"]["namespace"]):
        # Pods that are not scheduled don't count: no kubelet will start one with a claim that goes.
        if pod["spec"].get("nodeName") and name in claims_of(pod).values():
            return
    claim["metadata"]["finalizers"] = [other for other in finalizers if other != FINALIZER]
    api.update(CLAIM, claim)
