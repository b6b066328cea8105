"""What a scheduler asks of a Pod's claims: may it run, on which nodes, and bind what waited for that."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.storage import matching
from dockyard.cluster.storage.binding import CLAIM, VOLUME, reserve
from dockyard.cluster.storage.classes import HOST_PATH, class_of, waits_for_consumer
from dockyard.cluster.storage.matching import SELECTED_NODE, annotation, is_bound
from dockyard.cluster.storage.use import claims_of
from dockyard.cluster.store import Manifest

_ELSEWHERE = "node(s) had volume node affinity conflict"
_NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
_NOT_PROVISIONED = "kubernetes.io/no-provisioner"


def pod_problem(api: Api, pod: Manifest) -> str | None:
    """Why the Pod's claims keep it from every node, or None."""
    for name in claims_of(pod).values():
        claim = api.find(CLAIM, name, pod["metadata"]["namespace"])
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.get("status", {}).get("phase") == "Lost":
            volume = claim["spec"].get("volumeName", "")
            return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
        if is_terminating(claim):
            return f'persistentvolumeclaim "{name}" is being deleted'
        if not is_bound(claim) and not waits_for_consumer(class_of(api, claim)):
            return "pod has unbound immediate PersistentVolumeClaims"
    return None


def node_problem(api: Api, pod: Manifest, node: Manifest) -> str | None:
    """Why the Pod's claims keep it from this node, or None; evicting other Pods would not help."""
    taken: set[str] = set()
    for claim in _claims(api, pod):
        if is_bound(claim):
            volume = api.find(VOLUME, claim["spec"]["volumeName"])
            if volume is not None and not matching.reachable(volume, node):
                return _ELSEWHERE
            continue
        free = [volume for volume in api.list(VOLUME) if volume["metadata"]["name"] not in taken]
        found = matching.best(claim, free, node=node)
        if found is not None:
            taken.add(found["metadata"]["name"])
        elif not _can_be_provisioned(api, claim):
            return _NO_VOLUME
    return None


def bind(api: Api, pod: Manifest, node: str) -> bool:
    """Whether all claims of the Pod are bound, so that it may go to the node.

    Those that waited for this get a volume that the node reaches, or the mark by which one is provisioned;
    the claims' next change is the time to ask again.
    """
    ready = True
    place = api.get("Node", node)
    for claim in _claims(api, pod):
        if is_bound(claim):
            continue
        ready = False
        if annotation(claim, SELECTED_NODE) == node:
            continue
        volume = matching.best(claim, api.list(VOLUME), node=place)
        if volume is not None:
            reserve(api, volume, claim)
        elif _can_be_provisioned(api, claim):
            claim["metadata"].setdefault("annotations", {})[SELECTED_NODE] = node
            api.update(CLAIM, claim)
    return ready


def _claims(api: Api, pod: Manifest) -> list[Manifest]:
    namespace = pod["metadata"]["namespace"]
    found = (api.find(CLAIM, name, namespace) for name in claims_of(pod).values())
    return [claim for claim in found if claim is not None]


def _can_be_provisioned(api: Api, claim: Manifest) -> bool:
    storage_class = class_of(api, claim)
    if storage_class is None or storage_class["provisioner"] == _NOT_PROVISIONED:
        return False
    provisioner = storage_class["provisioner"]
    return bool(provisioner == HOST_PATH or not provisioner.startswith("kubernetes.io/"))
