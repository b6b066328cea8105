"""The kinds of the group apps, v1."""

from __future__ import annotations

from dockyard.cluster.defaults import workloads
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.validation import workloads as rules

_SCALED = ("scale", "status")

ROWS = (
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind(
        "apps",
        "v1",
        "DaemonSet",
        "daemonsets",
        validate=rules.validate_daemonset,
        default=workloads.default_daemonset,
        prepare=workloads.count_template_changes,
        short_names=("ds",),
        categories=("all",),
        generation=True,
        subresources=("status",),
        initial_status={
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    ),
    Kind(
        "apps",
        "v1",
        "Deployment",
        "deployments",
        validate=rules.validate_deployment,
        default=workloads.default_deployment,
        short_names=("deploy",),
        categories=("all",),
        generation=True,
        subresources=_SCALED,
        initial_status={},
    ),
    Kind(
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        validate=rules.validate_replicaset,
        default=workloads.default_replicaset,
        short_names=("rs",),
        categories=("all",),
        generation=True,
        subresources=_SCALED,
        initial_status={"replicas": 0},
        selectable=("status.replicas",),
    ),
    Kind(
        "apps",
        "v1",
        "StatefulSet",
        "statefulsets",
        validate=rules.validate_statefulset,
        default=workloads.default_statefulset,
        short_names=("sts",),
        categories=("all",),
        generation=True,
        subresources=_SCALED,
        initial_status={"replicas": 0, "availableReplicas": 0},
    ),
)
