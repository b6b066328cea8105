"""Who a StatefulSet's Pods are: ordinals, names, labels and claims, and the Pod made from a template."""

from __future__ import annotations

import copy
import re

from dockyard.cluster.history import POD_LABEL
from dockyard.cluster.owners import controller_reference
from dockyard.cluster.store import Manifest

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def ordinal(statefulset: Manifest, pod: Manifest) -> int | None:
    """The Pod's number, or None when its name is not one of this StatefulSet's."""
    match = _NAME.fullmatch(pod["metadata"]["name"])
    if match is None or match[1] != statefulset["metadata"]["name"]:
        return None
    return int(match[2])


def ordinals(statefulset: Manifest) -> range:
    """The ordinals that should exist."""
    start = (statefulset["spec"].get("ordinals") or {}).get("start", 0)
    return range(start, start + statefulset["spec"]["replicas"])


def claim_names(statefulset: Manifest, number: int) -> dict[str, str]:
    """The claim for each volume of the claim templates."""
    name = statefulset["metadata"]["name"]
    return {
        template["metadata"]["name"]: f"{template['metadata']['name']}-{name}-{number}"
        for template in statefulset["spec"].get("volumeClaimTemplates") or ()
    }


def new_claim(statefulset: Manifest, template: Manifest, name: str) -> Manifest:
    """The claim to create from a template; its labels are those that the StatefulSet selects by."""
    metadata = template["metadata"]
    labels = (metadata.get("labels") or {}) | (statefulset["spec"]["selector"].get("matchLabels") or {})
    made = {
        "metadata": {"name": name, "namespace": statefulset["metadata"]["namespace"], "labels": labels},
        "spec": copy.deepcopy(template["spec"]),
    }
    if metadata.get("annotations"):
        made["metadata"]["annotations"] = dict(metadata["annotations"])
    return made


def new_pod(statefulset: Manifest, template: Manifest, revision: str, number: int) -> Manifest:
    """The Pod with this ordinal, of the template of the revision of this name."""
    metadata = template.get("metadata") or {}
    name = f"{statefulset['metadata']['name']}-{number}"
    made: Manifest = {
        "name": name,
        "generateName": f"{statefulset['metadata']['name']}-",
        "namespace": statefulset["metadata"]["namespace"],
        "labels": (metadata.get("labels") or {}) | _labels(name, number) | {POD_LABEL: revision},
        "ownerReferences": [controller_reference(statefulset)],
    }
    for field in ("annotations", "finalizers"):
        if metadata.get(field):
            made[field] = copy.deepcopy(metadata[field])
    spec = copy.deepcopy(template["spec"])
    spec["hostname"] = name
    if statefulset["spec"].get("serviceName"):
        spec["subdomain"] = statefulset["spec"]["serviceName"]
    claims = claim_names(statefulset, number)
    volumes = [
        {"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims.items()
    ]
    volumes += [volume for volume in spec.get("volumes") or () if volume["name"] not in claims]
    if volumes:
        spec["volumes"] = volumes
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}


def _labels(name: str, number: int) -> dict[str, str]:
    return {POD_NAME: name, POD_INDEX: str(number)}


def with_identity(pod: Manifest, number: int) -> Manifest:
    """The Pod with the labels that it must have; itself, unchanged, when it has them."""
    labels = pod["metadata"].get("labels", {})
    wanted = _labels(pod["metadata"]["name"], number)
    if wanted.items() <= labels.items():
        return pod
    return {**pod, "metadata": {**pod["metadata"], "labels": labels | wanted}}


def revision_of(pod: Manifest) -> str:
    """The name of the revision that the Pod was made of."""
    return str(pod["metadata"].get("labels", {}).get(POD_LABEL, ""))
