"""PersistentVolumeClaim: finds each claim a volume, has one made, or says why it waits."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.storage import matching
from dockyard.cluster.storage.binding import CLAIM, VOLUME, bind, report, set_claim_phase
from dockyard.cluster.storage.classes import class_of, waits_for_consumer
from dockyard.cluster.storage.matching import BIND_COMPLETED, BOUND_BY_CONTROLLER, SELECTED_NODE, annotation
from dockyard.cluster.storage.provisioning import provision
from dockyard.cluster.storage.use import claims_of
from dockyard.cluster.store import Event, Manifest

# A claim that found nothing looks again this often, as upstream's --pvclaimbinder-sync-period.
RESYNC_SECONDS = 15.0


def controller(api: Api) -> Controller:
    def claims(event: Event) -> Iterable[Key]:
        # A volume wakes the claim that it names. One that becomes free wakes nobody: claims find it when
        # they look again, as on a real cluster.
        references = [(obj or {}).get("spec", {}).get("claimRef") for obj in (event.object, event.old)]
        return [Key(r["namespace"], r["name"]) for r in references if r and r.get("namespace")]

    return KindController(api, "persistentvolumeclaim", CLAIM, reconcile, triggers={VOLUME: claims})


def reconcile(api: Api, claim: Manifest) -> float | None:
    """Bring the claim and a volume together, or report what is missing and look again later."""
    if annotation(claim, BIND_COMPLETED):
        _check_bound(api, claim)
        return None
    if is_terminating(claim):
        return None
    done = _take_named(api, claim) if claim["spec"].get("volumeName") else _look_for_one(api, claim)
    return None if done else RESYNC_SECONDS


def _look_for_one(api: Api, claim: Manifest) -> bool:
    storage_class = class_of(api, claim)
    delayed = waits_for_consumer(storage_class) and not annotation(claim, SELECTED_NODE)
    volume = matching.best(claim, api.list(VOLUME), reserved_only=delayed)
    if volume is not None:
        bind(api, volume, claim)
        return True
    if delayed:
        _wait_for_consumer(api, claim)
    elif claim["spec"].get("storageClassName"):
        if provision(api, claim):
            return True
    else:
        message = "no persistent volumes available for this claim and no storage class is set"
        report(api, claim, "Normal", "FailedBinding", message)
    set_claim_phase(api, api.get(CLAIM, claim["metadata"]["name"], claim["metadata"]["namespace"]), "Pending")
    return False


def _wait_for_consumer(api: Api, claim: Manifest) -> None:
    name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
    waiting = [
        pod["metadata"]["name"]
        for pod in api.list("Pod", namespace)
        if not pod["spec"].get("nodeName") and name in claims_of(pod).values()
    ]
    if waiting:
        pods = "pods" if len(waiting) > 1 else "pod"
        message = f"waiting for {pods} {','.join(waiting)} to be scheduled"
        report(api, claim, "Normal", "WaitForPodScheduled", message)
        return
    message = "waiting for first consumer to be created before binding"
    report(api, claim, "Normal", "WaitForFirstConsumer", message)


def _take_named(api: Api, claim: Manifest) -> bool:
    """Bind the claim to the volume that it names, if that is free or its own."""
    volume = api.find(VOLUME, claim["spec"]["volumeName"])
    if volume is None:
        set_claim_phase(api, claim, "Pending")
        return False
    if volume["spec"].get("claimRef") is not None and not matching.refers_to(volume, claim):
        if not annotation(claim, BOUND_BY_CONTROLLER):
            message = f'volume "{volume["metadata"]["name"]}" already bound to a different claim.'
            report(api, claim, "Warning", "FailedBinding", message)
        set_claim_phase(api, claim, "Pending")
        return False
    if volume["spec"].get("claimRef") is None and (why := matching.problem(claim, volume)):
        message = f'Cannot bind to requested volume "{volume["metadata"]["name"]}": {why}'
        report(api, claim, "Warning", "VolumeMismatch", message)
        set_claim_phase(api, claim, "Pending")
        return False
    bind(api, volume, claim)
    return True


def _check_bound(api: Api, claim: Manifest) -> None:
    """Say that a bound claim is Lost when its volume is gone or somebody else's."""
    name = claim["spec"].get("volumeName")
    volume = api.find(VOLUME, name) if name else None
    if volume is None:
        what = "its PersistentVolume" if name else "reference to PersistentVolume"
        _lose(api, claim, "ClaimLost", f"Bound claim has lost {what}. Data on the volume is lost!")
    elif volume["spec"].get("claimRef") is None or matching.refers_to(volume, claim):
        bind(api, volume, claim)
    else:
        message = "Two claims are bound to the same volume, this one is bound incorrectly"
        _lose(api, claim, "ClaimMisbound", message)


def _lose(api: Api, claim: Manifest, reason: str, message: str) -> None:
    if claim["status"]["phase"] != "Lost":
        set_claim_phase(api, claim, "Lost")
        report(api, claim, "Warning", reason, message)
