"""The kinds of the group apps, v1."""

from __future__ import annotations

from dockyard.cluster.kinds.kind import Kind

_SCALED = ("scale", "status")

ROWS = (
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind(
        "apps", "v1", "DaemonSet", "daemonsets", short_names=("ds",), categories=("all",), generation=True,
        subresources=("status",),
        initial_status={
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        },
    ),
    Kind(
        "apps", "v1", "Deployment", "deployments", short_names=("deploy",), categories=("all",),
        generation=True, subresources=_SCALED, initial_status={},
    ),
    Kind(
        "apps", "v1", "ReplicaSet", "replicasets", short_names=("rs",), categories=("all",), generation=True,
        subresources=_SCALED, initial_status={"replicas": 0}, selectable=("status.replicas",),
    ),
    Kind(
        "apps", "v1", "StatefulSet", "statefulsets", short_names=("sts",), categories=("all",),
        generation=True, subresources=_SCALED, initial_status={"replicas": 0, "availableReplicas": 0},
    ),
)
