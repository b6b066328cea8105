"""A StatefulSet's claims: made before their Pod, kept after it, and owned so that the policy deletes them."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, Conflict
from dockyard.cluster.owners import controller_reference
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.statefulset.identity import claim_names, new_claim, ordinals
from dockyard.cluster.store import Manifest

COMPONENT = "statefulset-controller"
KIND = "PersistentVolumeClaim"


class ClaimLeaving(Conflict):
    """The claim that a Pod needs is being deleted; a new one can be made when it is gone."""


def ensure(api: Api, statefulset: Manifest, number: int, pod_name: str) -> None:
    """Create the claims of the ordinal that don't exist. Raises ClaimLeaving, and what a create raises."""
    namespace, name = statefulset["metadata"]["namespace"], statefulset["metadata"]["name"]
    templates = {t["metadata"]["name"]: t for t in statefulset["spec"].get("volumeClaimTemplates") or ()}
    for volume, claim in claim_names(statefulset, number).items():
        found = api.find(KIND, claim, namespace)
        if found is not None:
            if is_terminating(found):
                raise ClaimLeaving(f"pvc {claim} is being deleted")
            continue
        try:
            api.create(KIND, new_claim(statefulset, templates[volume], claim), namespace=namespace)
        except ApiError as error:
            message = (
                f"create Claim {claim} for Pod {pod_name} in StatefulSet {name} failed error: {error.message}"
            )
            api.record_event(statefulset, "Warning", "FailedCreate", message, component=COMPONENT)
            raise
        message = f"Create Claim {claim} Pod {pod_name} in StatefulSet {name} success"
        api.record_event(statefulset, "Normal", "SuccessfulCreate", message, component=COMPONENT)


def are_stale(api: Api, statefulset: Manifest, number: int, pod_name: str) -> bool:
    """Whether a claim of the ordinal still belongs to a Pod that is gone, and will be collected with it."""
    for claim in _existing(api, statefulset, number):
        for owner in claim["metadata"].get("ownerReferences", ()):
            if owner["kind"] == "Pod" and owner["name"] == pod_name:
                return True
    return False


def apply_retention(api: Api, statefulset: Manifest, number: int, pod: Manifest) -> None:
    """Make each claim of the Pod belong to whom the retention policy says: the set, the Pod, or nobody.

    What belongs to the set goes with it; what belongs to a Pod that is scaled away goes with that Pod. Raises
    Conflict when somebody else changed the claim at the same time.
    """
    policy = statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    owner: Manifest | None = None
    if policy.get("whenScaled") == "Delete" and number not in ordinals(statefulset):
        owner = {"apiVersion": "v1", "kind": "Pod"} | pod
    elif policy.get("whenDeleted") == "Delete":
        owner = statefulset
    ours = {statefulset["metadata"]["uid"], pod["metadata"]["uid"]}
    for claim in _existing(api, statefulset, number):
        references = claim["metadata"].get("ownerReferences", [])
        wanted = [reference for reference in references if reference["uid"] not in ours]
        if owner is not None and not is_terminating(statefulset):
            wanted.append(controller_reference(owner))
        if wanted != references and len([r for r in wanted if r.get("controller")]) <= 1:
            claim["metadata"]["ownerReferences"] = wanted
            api.update(KIND, claim)


def _existing(api: Api, statefulset: Manifest, number: int) -> list[Manifest]:
    namespace = statefulset["metadata"]["namespace"]
    found = (api.find(KIND, name, namespace) for name in claim_names(statefulset, number).values())
    return [claim for claim in found if claim is not None]
