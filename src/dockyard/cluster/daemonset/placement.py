"""Where a DaemonSet's Pods belong: which nodes want one, which may keep one, and the Pod for a node."""

from __future__ import annotations

import copy
from typing import NamedTuple

from dockyard.cluster.defaults.workloads import TEMPLATE_GENERATION
from dockyard.cluster.history import POD_LABEL
from dockyard.cluster.owners import controller_reference
from dockyard.cluster.placement import tolerated, wants
from dockyard.cluster.store import Manifest

GENERATION_LABEL = "pod-template-generation"
# What a daemon puts up with on its node, in upstream's order: (taint, effect).
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


class Verdict(NamedTuple):
    """Whether a node should get the daemon, and whether one that is there may go on."""

    wants: bool
    keeps: bool


def judge(daemonset: Manifest, node: Manifest) -> Verdict:
    """By name, selector, affinity and taints; resources don't count, the scheduler looks at them."""
    template = daemonset["spec"]["template"]["spec"]
    name = node["metadata"]["name"]
    if template.get("nodeName") not in (None, "", name):
        return Verdict(False, False)
    if not wants(template, node):
        return Verdict(False, False)
    tolerations = _tolerations(template)
    taints = [t for t in node["spec"].get("taints") or () if t["effect"] in ("NoSchedule", "NoExecute")]
    if node["spec"].get("unschedulable"):
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    refused = [taint for taint in taints if not tolerated(taint, tolerations)]
    return Verdict(not refused, all(taint["effect"] != "NoExecute" for taint in refused))


def new_pod(daemonset: Manifest, node: str, digest: str) -> Manifest:
    """The daemon's Pod for the node of this name: the scheduler may bind it there and nowhere else."""
    template = daemonset["spec"]["template"]
    generation = daemonset["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "1")
    metadata = template.get("metadata") or {}
    made: Manifest = {
        "generateName": f"{daemonset['metadata']['name']}-",
        "namespace": daemonset["metadata"]["namespace"],
        "labels": (metadata.get("labels") or {}) | {POD_LABEL: digest, GENERATION_LABEL: generation},
        "ownerReferences": [controller_reference(daemonset)],
    }
    for field in ("annotations", "finalizers"):
        if metadata.get(field):
            made[field] = copy.deepcopy(metadata[field])
    spec = copy.deepcopy(template["spec"])
    spec["tolerations"] = _tolerations(spec)
    # The node's name replaces what the template requires of nodes: it has been looked at already.
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [term]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}


def node_of(pod: Manifest) -> str:
    """The node that a daemon's Pod is for, bound to it or not yet; empty when nothing says it."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def _tolerations(spec: Manifest) -> list[Manifest]:
    found = list(spec.get("tolerations") or ())
    taints = list(_TOLERATED)
    if spec.get("hostNetwork"):
        taints.append(("network-unavailable", "NoSchedule"))
    for name, effect in taints:
        toleration = {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
        if toleration not in found:
            found.append(toleration)
    return found
