"""The Pods that a Job makes, and the order in which it lets go of them."""

from __future__ import annotations

import copy
from typing import Any

from dockyard.cluster.jobs.indexes import FAILURES, INDEX, counts_by_index
from dockyard.cluster.owners import controller_reference
from dockyard.cluster.podstate import is_ready, unix

Manifest = dict[str, Any]

TRACKING = "batch.kubernetes.io/job-tracking"
JOB_NAME = "batch.kubernetes.io/job-name"
_LONGEST_PREFIX = 58  # of generateName, so that five random characters fit


def pod_of(job: Manifest, index: int | None = None, failures: int = 0) -> Manifest:
    """A new Pod of the Job, held by the finalizer under which it is counted; for an index when indexed."""
    template, name = job["spec"]["template"], job["metadata"]["name"]
    spec = copy.deepcopy(template["spec"])
    labels = dict(template["metadata"].get("labels") or {})
    annotations = dict(template["metadata"].get("annotations") or {})
    prefix = f"{name}-"
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        if counts_by_index(job):
            annotations[FAILURES] = str(failures)
        prefix = f"{name[: _LONGEST_PREFIX - len(str(index)) - 2]}-{index}-"
        spec.setdefault("hostname", f"{name}-{index}")
        _tell_index(spec)
    metadata: Manifest = {
        "generateName": prefix,
        "labels": labels,
        "ownerReferences": [controller_reference(job)],
        "finalizers": [*(template["metadata"].get("finalizers") or ()), TRACKING],
    }
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _tell_index(spec: Manifest) -> None:
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        variables = container.get("env") or []
        if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in variables):
            container["env"] = [*variables, {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]


def is_tracked(pod: Manifest) -> bool:
    """Whether the Pod is still to be counted."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def removal_order(pods: list[Manifest]) -> list[Manifest]:
    """Active Pods, those that have done least in front."""
    return sorted(
        pods,
        key=lambda pod: (
            bool(pod["spec"].get("nodeName")),
            pod["status"].get("phase") == "Running",
            is_ready(pod),
            -unix(pod["metadata"]["creationTimestamp"]),
        ),
    )
