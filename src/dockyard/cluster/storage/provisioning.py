"""Dynamic provisioning: a directory on the nodes' machine for a claim, and its end when the claim is gone."""

from __future__ import annotations

import uuid

from dockyard.cluster.api import Api
from dockyard.cluster.storage.binding import CLAIM, VOLUME, bind, reference_to, report, set_phase
from dockyard.cluster.storage.classes import HOST_PATH, class_of
from dockyard.cluster.storage.matching import BOUND_BY_CONTROLLER
from dockyard.cluster.store import Manifest

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
CONTROLLER_FINALIZER = "kubernetes.io/pv-controller"
PROTECTION_FINALIZER = "kubernetes.io/pv-protection"
# Where provisioned directories are, as a Pod's node sees it; the node keeps them in the platform's home.
DIRECTORY = "/var/lib/hostpath"
_ANNOTATIONS = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
_IN_TREE = "kubernetes.io/"


def provision(api: Api, claim: Manifest) -> bool:
    """Make a volume for the claim and bind it; False when the class is none that is provisioned here.

    The reasons that people can do something about become Events of the claim.
    """
    storage_class = class_of(api, claim)
    if storage_class is None:
        name = claim["spec"]["storageClassName"]
        message = f'storageclass.storage.k8s.io "{name}" not found'
        report(api, claim, "Warning", "ProvisioningFailed", message)
        return False
    provisioner = storage_class["provisioner"]
    if provisioner != HOST_PATH and provisioner.startswith(_IN_TREE):
        message = f"no volume plugin matched name: {provisioner}"
        report(api, claim, "Warning", "ProvisioningFailed", message)
        return False
    claim = _announce(api, claim, provisioner)
    if provisioner != HOST_PATH:
        message = (
            "Waiting for a volume to be created either by the external provisioner "
            f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, "
            "please verify that the provisioner is running and correctly registered."
        )
        report(api, claim, "Normal", "ExternalProvisioning", message)
        return False
    name = f"pvc-{claim['metadata']['uid']}"
    volume = api.find(VOLUME, name) or api.create(VOLUME, _volume(claim, storage_class, name))
    message = f"Successfully provisioned volume {name} using {HOST_PATH}"
    report(api, claim, "Normal", "ProvisioningSucceeded", message)
    bind(api, volume, claim)
    return True


def _announce(api: Api, claim: Manifest, provisioner: str) -> Manifest:
    """Say on the claim who makes its volume: other provisioners wait for that."""
    annotations = claim["metadata"].setdefault("annotations", {})
    if all(annotations.get(name) == provisioner for name in _ANNOTATIONS):
        return claim
    annotations |= dict.fromkeys(_ANNOTATIONS, provisioner)
    return api.update(CLAIM, claim)


def _volume(claim: Manifest, storage_class: Manifest, name: str) -> Manifest:
    spec = claim["spec"]
    return {
        "metadata": {
            "name": name,
            "annotations": {
                "kubernetes.io/createdby": "hostpath-dynamic-provisioner",
                BOUND_BY_CONTROLLER: "yes",
                PROVISIONED_BY: HOST_PATH,
            },
            "finalizers": [CONTROLLER_FINALIZER],
        },
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "hostPath": {"path": f"{DIRECTORY}/{uuid.uuid4()}", "type": ""},
            "accessModes": list(spec["accessModes"]),
            "claimRef": reference_to(claim),
            "persistentVolumeReclaimPolicy": storage_class["reclaimPolicy"],
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec["volumeMode"],
        },
    }


def reclaim(api: Api, volume: Manifest) -> None:
    """Do with a volume whose claim is gone what its policy says: keep it, or delete it with its data."""
    policy = volume["spec"]["persistentVolumeReclaimPolicy"]
    if policy == "Recycle":
        # Differs: a volume is never scrubbed for the next claim; upstream has deprecated that.
        if volume["status"]["phase"] != "Failed":
            message = "No recycler plugin found for the volume!"
            report(api, volume, "Warning", "VolumeFailedRecycle", message)
            set_phase(api, volume, "Failed", message)
        return
    if policy != "Delete" or "deletionTimestamp" in volume["metadata"]:
        return
    made_by = volume["metadata"].get("annotations", {}).get(PROVISIONED_BY, HOST_PATH)
    if made_by != HOST_PATH:
        return  # whoever made it deletes it
    if "hostPath" not in volume["spec"]:
        message = "error getting deleter volume plugin for volume: no deletable volume plugin matched"
        if volume["status"]["phase"] != "Failed":
            report(api, volume, "Warning", "VolumeFailedDelete", message)
            set_phase(api, volume, "Failed", message)
        return
    finalizers = volume["metadata"].get("finalizers", [])
    if CONTROLLER_FINALIZER in finalizers:
        volume["metadata"]["finalizers"] = [f for f in finalizers if f != CONTROLLER_FINALIZER]
        volume = api.update(VOLUME, volume)
    api.delete(VOLUME, volume["metadata"]["name"], preconditions={"uid": volume["metadata"]["uid"]})
