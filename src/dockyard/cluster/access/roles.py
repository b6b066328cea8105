"""The ClusterRoles and ClusterRoleBindings that every cluster begins with.

Facts: the bootstrap policy of kube-apiserver 1.36 as recorded for admin, edit and view and as published for
the others; `system:aggregated-metrics-reader` comes with metrics-server.
"""

from __future__ import annotations

from typing import Any

from dockyard.cluster.access.rbac import GROUP

Manifest = dict[str, Any]

_READ = "get list watch"
_CHANGE = "create delete deletecollection patch update"
_WRITE_EVENTS = "create patch update"
_AGGREGATE = f"{GROUP}/aggregate-to-"
_META = {
    "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
}


def _rule(resources: str, verbs: str, *groups: str, names: str = "") -> Manifest:
    """A rule from words; without a group the core one."""
    made: Manifest = {
        "verbs": verbs.split(),
        "apiGroups": list(groups) or [""],
        "resources": resources.split(),
    }
    return {**made, "resourceNames": names.split()} if names else made


def _paths(paths: str) -> Manifest:
    return {"verbs": ["get"], "nonResourceURLs": paths.split()}


def _both(names: str, subresource: str) -> str:
    """Resources and a subresource of each, in upstream's order."""
    return " ".join(f"{name} {name}/{subresource}" for name in names.split())


_REVIEWS = (
    _rule("tokenreviews", "create", "authentication.k8s.io"),
    _rule("subjectaccessreviews", "create", "authorization.k8s.io"),
)
_EVENTS = _rule("events", _WRITE_EVENTS, "", "events.k8s.io")
_STREAMS = "pods/attach pods/exec pods/portforward pods/proxy"
_APPS_STATUS = (
    "daemonsets daemonsets/status deployments deployments/scale deployments/status",
    "replicasets replicasets/scale replicasets/status",
)

_TO_ADMIN = (
    _rule("localsubjectaccessreviews", "create", "authorization.k8s.io"),
    _rule("rolebindings roles", "create delete deletecollection get list patch update watch", GROUP),
)
_TO_EDIT = (
    _rule(f"{_STREAMS} secrets services/proxy", _READ),
    _rule("serviceaccounts", "impersonate"),
    _rule(f"pods {_STREAMS}", _CHANGE),
    _rule("pods/eviction", "create"),
    _rule(
        "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
        "serviceaccounts services services/proxy",
        _CHANGE,
    ),
    _rule("serviceaccounts/token", "create"),
    _rule("events", _CHANGE, "", "events.k8s.io"),
    _rule(
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
        "statefulsets statefulsets/scale",
        _CHANGE,
        "apps",
    ),
    _rule("horizontalpodautoscalers", _CHANGE, "autoscaling"),
    _rule("cronjobs jobs", _CHANGE, "batch"),
    _rule(
        "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets "
        "replicasets/scale replicationcontrollers/scale",
        _CHANGE,
        "extensions",
    ),
    _rule("poddisruptionbudgets", _CHANGE, "policy"),
    _rule("ingresses networkpolicies", _CHANGE, "networking.k8s.io"),
    _rule("leases", "create delete deletecollection get list patch update watch", "coordination.k8s.io"),
    _rule("resourceclaims resourceclaimtemplates", _CHANGE, "resource.k8s.io"),
)
_TO_VIEW = (
    _rule(
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
        _READ,
    ),
    _rule(
        "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
        "resourcequotas resourcequotas/status",
        _READ,
    ),
    _rule("namespaces", _READ),
    _rule("events", _READ, "", "events.k8s.io"),
    _rule("endpointslices", _READ, "discovery.k8s.io"),
    _rule(
        f"controllerrevisions {' '.join(_APPS_STATUS)} statefulsets statefulsets/scale statefulsets/status",
        _READ,
        "apps",
    ),
    _rule(_both("horizontalpodautoscalers", "status"), _READ, "autoscaling"),
    _rule(_both("cronjobs jobs", "status"), _READ, "batch"),
    _rule(
        f"{_APPS_STATUS[0]} ingresses ingresses/status networkpolicies {_APPS_STATUS[1]} "
        "replicationcontrollers/scale",
        _READ,
        "extensions",
    ),
    _rule(_both("poddisruptionbudgets", "status"), _READ, "policy"),
    _rule("ingresses ingresses/status networkpolicies", _READ, "networking.k8s.io"),
    _rule("resourceclaims resourceclaims/status resourceclaimtemplates", _READ, "resource.k8s.io"),
)

_SCHEDULER = (
    _EVENTS,
    _rule("leases", "create", "coordination.k8s.io"),
    _rule("leases", "get update", "coordination.k8s.io", names="kube-scheduler"),
    _rule("nodes", _READ),
    _rule("pods", "delete get list watch"),
    _rule("bindings pods/binding", "create"),
    _rule("pods/status", "patch update"),
    _rule("replicationcontrollers services", _READ),
    _rule("replicasets", _READ, "apps", "extensions"),
    _rule("statefulsets", _READ, "apps"),
    _rule("poddisruptionbudgets", _READ, "policy"),
    _rule("persistentvolumeclaims persistentvolumes", _READ),
    *_REVIEWS,
    _rule("csinodes", _READ, "storage.k8s.io"),
    _rule("namespaces", _READ),
    _rule("csidrivers", _READ, "storage.k8s.io"),
    _rule("csistoragecapacities", _READ, "storage.k8s.io"),
)
_CONTROLLER_MANAGER = (
    _EVENTS,
    _rule("leases", "create", "coordination.k8s.io"),
    _rule("leases", "get update", "coordination.k8s.io", names="kube-controller-manager"),
    _rule("secrets serviceaccounts", "create"),
    _rule("secrets", "delete"),
    _rule("configmaps namespaces secrets serviceaccounts", "get"),
    _rule("secrets serviceaccounts", "update"),
    *_REVIEWS,
    _rule("*", "list watch", "*"),
    _rule("serviceaccounts/token", "create"),
)
_NODE = (
    _rule("tokenreviews", "create", "authentication.k8s.io"),
    _rule("localsubjectaccessreviews subjectaccessreviews", "create", "authorization.k8s.io"),
    _rule("services", _READ),
    _rule("nodes", "create get list watch"),
    _rule("nodes/status", "patch update"),
    _rule("nodes", "patch update"),
    _rule("events", _WRITE_EVENTS),
    _rule("pods", _READ),
    _rule("pods", "create delete"),
    _rule("pods/status", "patch update"),
    _rule("pods/eviction", "create"),
    _rule("configmaps secrets", _READ),
    _rule("persistentvolumeclaims persistentvolumes", "get"),
    _rule("endpoints", "get"),
    _rule("leases", "create delete get patch update", "coordination.k8s.io"),
    _rule("serviceaccounts/token", "create"),
    _rule("persistentvolumeclaims/status", "get patch update"),
    _rule("runtimeclasses", _READ, "node.k8s.io"),
)

# Differs: the roles system:controller:* and those of certificate signing are missing. The controllers of this
# cluster work inside the API server and need no rules, and it signs no certificates on request.
RULES: dict[str, tuple[Manifest, ...]] = {
    "cluster-admin": (_rule("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}),
    "system:aggregate-to-admin": _TO_ADMIN,
    "system:aggregate-to-edit": _TO_EDIT,
    "system:aggregate-to-view": _TO_VIEW,
    "system:aggregated-metrics-reader": (_rule("pods nodes", _READ, "metrics.k8s.io"),),
    "system:auth-delegator": _REVIEWS,
    "system:basic-user": (
        _rule("selfsubjectaccessreviews selfsubjectrulesreviews", "create", "authorization.k8s.io"),
        _rule("selfsubjectreviews", "create", "authentication.k8s.io"),
    ),
    "system:discovery": (
        _paths(
            "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
        ),
    ),
    "system:kube-aggregator": (_rule("endpoints services", _READ),),
    "system:kube-controller-manager": _CONTROLLER_MANAGER,
    "system:kube-dns": (_rule("endpoints services", "list watch"),),
    "system:kube-scheduler": _SCHEDULER,
    "system:kubelet-api-admin": (
        _rule("nodes", _READ),
        _rule("nodes", "proxy"),
        _rule("nodes/log nodes/metrics nodes/proxy nodes/stats", "*"),
    ),
    "system:monitoring": (
        _paths("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),
    ),
    "system:node": _NODE,
    "system:node-problem-detector": (
        _rule("nodes", "get"),
        _rule("nodes/status", "patch"),
        _EVENTS,
    ),
    "system:node-proxier": (
        _rule("endpoints services", "list watch"),
        _rule("nodes", _READ),
        _EVENTS,
        _rule("endpointslices", "list watch", "discovery.k8s.io"),
    ),
    "system:persistent-volume-provisioner": (
        _rule("persistentvolumes", "create delete get list watch"),
        _rule("persistentvolumeclaims", "get list update watch"),
        _rule("storageclasses", _READ, "storage.k8s.io"),
        _rule("events", "watch"),
        _EVENTS,
    ),
    "system:public-info-viewer": (_paths("/healthz /livez /readyz /version /version/"),),
    "system:service-account-issuer-discovery": (
        _paths(
            "/.well-known/openid-configuration /.well-known/openid-configuration/ "
            "/openid/v1/jwks /openid/v1/jwks/"
        ),
    ),
    "system:volume-scheduler": (
        _rule("persistentvolumes", "get list patch update watch"),
        _rule("storageclasses", _READ, "storage.k8s.io"),
        _rule("persistentvolumeclaims", "get list patch update watch"),
    ),
}
# Whose rules are those of the ClusterRoles that are labelled for them.
AGGREGATED = ("view", "edit", "admin")
_AGGREGATES_TO = {
    "edit": ("admin",),
    "view": ("edit",),
    "system:aggregate-to-admin": ("admin",),
    "system:aggregate-to-edit": ("edit",),
    "system:aggregate-to-view": ("view",),
    "system:aggregated-metrics-reader": ("admin", "edit", "view"),
}
_BOUND: dict[str, tuple[tuple[str, str], ...]] = {
    "cluster-admin": (("Group", "system:masters"),),
    "system:basic-user": (("Group", "system:authenticated"),),
    "system:discovery": (("Group", "system:authenticated"),),
    "system:kube-controller-manager": (("User", "system:kube-controller-manager"),),
    "system:kube-dns": (("ServiceAccount", "kube-dns"),),
    "system:kube-scheduler": (("User", "system:kube-scheduler"),),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:node": (),
    "system:node-proxier": (("User", "system:kube-proxy"),),
    "system:public-info-viewer": (("Group", "system:authenticated"), ("Group", "system:unauthenticated")),
    "system:service-account-issuer-discovery": (("Group", "system:serviceaccounts"),),
    "system:volume-scheduler": (("User", "system:kube-scheduler"),),
}


def cluster_roles() -> list[Manifest]:
    """The ClusterRoles; admin, edit and view get their rules by aggregation."""
    made = [{"metadata": _metadata(name), "rules": list(rules)} for name, rules in RULES.items()]
    for name in AGGREGATED:
        selector = {"matchLabels": {_AGGREGATE + name: "true"}}
        rule = {"clusterRoleSelectors": [selector]}
        made.append({"metadata": _metadata(name), "rules": [], "aggregationRule": rule})
    return made


def cluster_role_bindings() -> list[Manifest]:
    """The ClusterRoleBindings; each has the name of its role."""
    return [
        {
            "metadata": _metadata(name),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [_subject(kind, subject) for kind, subject in subjects],
        }
        for name, subjects in _BOUND.items()
    ]


def _metadata(name: str) -> Manifest:
    to = {f"{_AGGREGATE}{other}": "true" for other in _AGGREGATES_TO.get(name, ())}
    if name == "system:aggregated-metrics-reader":
        return {"name": name, "labels": to}
    return {"name": name, "labels": _META["labels"] | to, "annotations": _META["annotations"]}


def _subject(kind: str, name: str) -> Manifest:
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "kube-system"}
    return {"kind": kind, "apiGroup": GROUP, "name": name}
