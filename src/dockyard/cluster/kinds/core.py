"""The kinds of the core group, v1."""

from __future__ import annotations

from dockyard.cluster.kinds.kind import Kind

_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)

ROWS = (
    Kind("", "v1", "ConfigMap", "configmaps", short_names=("cm",)),
    Kind("", "v1", "Endpoints", "endpoints", short_names=("ep",)),
    Kind("", "v1", "Event", "events", short_names=("ev",), selectable=_EVENT_FIELDS),
    Kind("", "v1", "LimitRange", "limitranges", short_names=("limits",)),
    Kind(
        "", "v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",), label_name=True,
        subresources=("finalize", "status"), initial_status={"phase": "Active"},
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        selectable=("status.phase",), returns_deleted=True,
    ),
    Kind(
        "", "v1", "Node", "nodes", namespaced=False, short_names=("no",), subresources=("proxy", "status"),
        selectable=("spec.unschedulable",),
    ),
    Kind(
        "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",),
        subresources=("status",), initial_status={"phase": "Pending"}, returns_deleted=True,
    ),
    Kind(
        "", "v1", "PersistentVolume", "persistentvolumes", namespaced=False, short_names=("pv",),
        subresources=("status",), initial_status={"phase": "Pending"}, returns_deleted=True,
    ),
    Kind(
        "", "v1", "Pod", "pods", short_names=("po",), categories=("all",), generation=True,
        subresources=(
            "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy",
            "resize", "status",
        ),
        initial_status={"phase": "Pending"}, selectable=_POD_FIELDS, returns_deleted=True,
    ),
    Kind("", "v1", "PodTemplate", "podtemplates", generation=True, returns_deleted=True),
    Kind(
        "", "v1", "ReplicationController", "replicationcontrollers", short_names=("rc",), categories=("all",),
        subresources=("scale", "status"), generation=True, initial_status={"replicas": 0},
        selectable=("status.replicas",),
    ),
    Kind(
        "", "v1", "ResourceQuota", "resourcequotas", short_names=("quota",), subresources=("status",),
        initial_status={}, returns_deleted=True,
    ),
    Kind("", "v1", "Secret", "secrets", selectable=("type",)),
    Kind(
        "", "v1", "ServiceAccount", "serviceaccounts", short_names=("sa",), subresources=("token",),
        returns_deleted=True,
    ),
    Kind(
        "", "v1", "Service", "services", short_names=("svc",), categories=("all",),
        subresources=("proxy", "status"), initial_status={"loadBalancer": {}},
        selectable=("spec.clusterIP", "spec.type"), returns_deleted=True,
    ),
)
