"""The cells of each kind's row, behind its name and without its age (pkg/printers/internalversion)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dockyard.cluster.scale import selector_text
from dockyard.cluster.tables.durations import human, seconds_of, since
from dockyard.cluster.tables.pods import NONE, pod_cells

Manifest = dict[str, Any]
Cells = Callable[[Manifest, float], list[Any]]

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _status(obj: Manifest) -> Manifest:
    return obj.get("status") or {}


def _age(obj: Manifest, now: float) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def _more(items: Iterable[str], empty: str) -> str:
    """At most three items, and how many more there are."""
    listed = list(items)
    text = ",".join(listed[:3])
    if len(listed) > 3:
        return f"{text} + {len(listed) - 3} more..."
    return text or empty


def _labels(labels: Manifest | None) -> str:
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def _template(spec: Manifest) -> list[str]:
    containers = spec["template"]["spec"].get("containers") or ()
    return [",".join(c.get(key, "") for c in containers) for key in ("name", "image")]


def _selector(selector: Manifest | None) -> str:
    return (selector_text(selector) if selector else "") or NONE


def _deployment(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    ready = f"{status.get('readyReplicas', 0)}/{spec['replicas']}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [ready, *counts, _age(obj, now), *_template(spec), _selector(spec.get("selector"))]


def _replicaset(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    selector = spec.get("selector")
    shown = _labels(selector) if obj["kind"] == "ReplicationController" else _selector(selector)
    return [*counts, _age(obj, now), *_template(spec), shown]


def _statefulset(obj: Manifest, now: float) -> list[Any]:
    ready = f"{_status(obj).get('readyReplicas', 0)}/{obj['spec']['replicas']}"
    return [ready, _age(obj, now), *_template(obj["spec"])]


def _daemonset(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    counts = [status.get(name, 0) for name in (*names, "numberAvailable")]
    nodes = _labels(spec["template"]["spec"].get("nodeSelector"))
    return [*counts, nodes, _age(obj, now), *_template(spec), _selector(spec.get("selector"))]


def _job(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    succeeded, wanted = status.get("succeeded", 0), spec.get("completions")
    if wanted is not None:
        completions = f"{succeeded}/{wanted}"
    elif spec.get("parallelism", 1) > 1:
        completions = f"{succeeded}/1 of {spec['parallelism']}"
    else:
        completions = f"{succeeded}/1"
    duration = ""
    if status.get("startTime"):
        end = seconds_of(status["completionTime"]) if status.get("completionTime") else now
        duration = human(end - seconds_of(status["startTime"]))
    met = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    shown = next((name for name in ("Complete", "Failed") if name in met), "")
    if not shown and "deletionTimestamp" in obj["metadata"]:
        shown = "Terminating"
    shown = shown or next(
        (n for n in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if n in met), "Running"
    )
    return [shown, completions, duration, _age(obj, now), *_template(spec), _selector(spec.get("selector"))]


def _cronjob(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    last = since(status["lastScheduleTime"], now) if status.get("lastScheduleTime") else NONE
    suspend = "True" if spec.get("suspend") else "False"
    job = spec["jobTemplate"]["spec"]
    head = [
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        suspend,
        len(status.get("active") or ()),
        last,
    ]
    return [*head, _age(obj, now), *_template(job), _selector(job.get("selector"))]


def _service(obj: Manifest, now: float) -> list[Any]:
    spec, kind = obj["spec"], obj["spec"]["type"]
    outside = ",".join(spec.get("externalIPs") or ())
    if kind == "LoadBalancer":
        ingress = (_status(obj).get("loadBalancer") or {}).get("ingress") or ()
        addresses = [item.get("ip") or item.get("hostname", "") for item in ingress]
        outside = ",".join([*addresses, *([outside] if outside else [])]) or "<pending>"
    elif kind == "ExternalName":
        outside = spec.get("externalName", "")
    ports = [
        f"{port['port']}:{port['nodePort']}/{port['protocol']}"
        if port.get("nodePort")
        else f"{port['port']}/{port['protocol']}"
        for port in spec.get("ports") or ()
    ]
    address = spec.get("clusterIP") or NONE
    return [
        kind,
        address,
        outside or NONE,
        ",".join(ports) or NONE,
        _age(obj, now),
        _labels(spec.get("selector")),
    ]


def _endpoints(obj: Manifest, now: float) -> list[Any]:
    found = []
    for subset in obj.get("subsets") or ():
        for address in subset.get("addresses") or ():
            ports = subset.get("ports") or ()
            found += [f"{address['ip']}:{port['port']}" for port in ports] or [address["ip"]]
    return [_more(found, NONE), _age(obj, now)]


def _endpoint_slice(obj: Manifest, now: float) -> list[Any]:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint["addresses"]]
    return [obj["addressType"], _more(ports, "<unset>"), _more(addresses, "<unset>"), _age(obj, now)]


def _event(obj: Manifest, now: float) -> list[Any]:
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    about = obj.get("involvedObject") or {}
    target = (
        f"{about.get('kind', '').lower()}/{about['name']}"
        if about.get("name")
        else about.get("kind", "").lower()
    )
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    origin = f"{component}, {host}" if host else component
    count = series.get("count") or obj.get("count") or 1
    seen, kind, reason = since(last, now), obj.get("type", ""), obj.get("reason", "")
    message = obj.get("message", "").strip()
    path = about.get("fieldPath", "")
    return [
        seen,
        kind,
        reason,
        target,
        path,
        origin,
        message,
        since(first, now),
        count,
        obj["metadata"]["name"],
    ]


def _node(obj: Manifest, now: float) -> list[Any]:
    status = _status(obj)
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), None)
    shown = "Unknown" if ready is None else ("Ready" if ready["status"] == "True" else "NotReady")
    if obj["spec"].get("unschedulable"):
        shown += ",SchedulingDisabled"
    labels = obj["metadata"].get("labels") or {}
    prefix = "node-role.kubernetes.io/"
    roles = sorted({key.removeprefix(prefix) for key in labels if key.startswith(prefix) and key != prefix})
    addresses = {a["type"]: a["address"] for a in status.get("addresses") or ()}
    info = status.get("nodeInfo") or {}
    return [
        shown,
        ",".join(roles) or NONE,
        _age(obj, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _claim(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    phase = "Terminating" if "deletionTimestamp" in obj["metadata"] else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    modes = _modes(status.get("accessModes")) if bound else ""
    capacity = (status.get("capacity") or {}).get("storage", "0") if bound else ""
    head = [phase, spec.get("volumeName", ""), capacity, modes, spec.get("storageClassName", "")]
    return [
        *head,
        spec.get("volumeAttributesClassName") or "<unset>",
        _age(obj, now),
        spec.get("volumeMode", "<unset>"),
    ]


def _volume(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    claim = spec.get("claimRef") or {}
    bound = f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""
    phase = "Terminating" if "deletionTimestamp" in obj["metadata"] else status.get("phase", "")
    capacity, policy = (
        (spec.get("capacity") or {}).get("storage", ""),
        spec.get("persistentVolumeReclaimPolicy", ""),
    )
    attributes, storage_class = (
        spec.get("volumeAttributesClassName") or "<unset>",
        spec.get("storageClassName", ""),
    )
    head = [capacity, _modes(spec.get("accessModes")), policy, phase, bound, storage_class, attributes]
    return [*head, status.get("reason", ""), _age(obj, now), spec.get("volumeMode", "<unset>")]


def _modes(modes: list[str] | None) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in modes or ())


def _autoscaler(obj: Manifest, now: float) -> list[Any]:
    spec, status = obj["spec"], _status(obj)
    target = spec["scaleTargetRef"]
    found = {
        m["resource"]["name"]: m["resource"]["current"]
        for m in status.get("currentMetrics") or ()
        if "resource" in m
    }
    shown = []
    for metric in spec.get("metrics") or ():
        wanted = (metric.get("resource") or {}).get("target") or {}
        name = (metric.get("resource") or {}).get("name", metric["type"].lower())
        current = found.get(name, {})
        if wanted.get("averageUtilization") is not None:
            use = current.get("averageUtilization")
            shown.append(
                f"{name}: {'<unknown>' if use is None else f'{use}%'}/{wanted['averageUtilization']}%"
            )
        else:
            shown.append(
                f"{name}: {current.get('averageValue', '<unknown>')}/{wanted.get('averageValue', '<auto>')}"
            )
    least = str(spec.get("minReplicas", "<unset>"))
    text = ", ".join(shown[:2]) + (f" + {len(shown) - 2} more..." if len(shown) > 2 else "")
    replicas = status.get("currentReplicas", 0)
    return [
        f"{target['kind']}/{target['name']}",
        text or NONE,
        least,
        spec["maxReplicas"],
        replicas,
        _age(obj, now),
    ]


def _ingress(obj: Manifest, now: float) -> list[Any]:
    spec = obj["spec"]
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    ingress = (_status(obj).get("loadBalancer") or {}).get("ingress") or ()
    address = ",".join(item.get("ip") or item.get("hostname", "") for item in ingress)
    ports = "80, 443" if spec.get("tls") else "80"
    return [spec.get("ingressClassName") or NONE, _more(hosts, "*"), address, ports, _age(obj, now)]


def _budget(obj: Manifest, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    bounds = [str(spec.get(key, "N/A")) for key in ("minAvailable", "maxUnavailable")]
    return [*bounds, _status(obj).get("disruptionsAllowed", 0), _age(obj, now)]


def _binding(obj: Manifest, now: float) -> list[Any]:
    subjects = obj.get("subjects") or ()

    def of(kind: str) -> str:
        return ", ".join(
            f"{s.get('namespace', '')}/{s['name']}" if kind == "ServiceAccount" else s["name"]
            for s in subjects
            if s["kind"] == kind
        )

    role = f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"
    return [role, _age(obj, now), of("User"), of("Group"), of("ServiceAccount")]


def _quota(obj: Manifest, now: float) -> list[Any]:
    hard, used = (obj.get("spec") or {}).get("hard") or {}, _status(obj).get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        text = f"{name}: {used.get(name, '0')}/{hard[name]}"
        (limits if name.startswith("limits.") else requests).append(text)
    return [", ".join(requests), ", ".join(limits), _age(obj, now)]


def _pod(obj: Manifest, now: float) -> list[Any]:
    cells = pod_cells(obj, now)
    return [*cells[:3], _age(obj, now), *cells[3:]]


def _revision(obj: Manifest, now: float) -> list[Any]:
    owner = next((o for o in obj["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    shown = NONE
    if owner:
        group = owner["apiVersion"].partition("/")[0] if "/" in owner["apiVersion"] else ""
        shown = (
            f"{owner['kind'].lower()}.{group}/{owner['name']}"
            if group
            else f"{owner['kind'].lower()}/{owner['name']}"
        )
    return [shown, obj.get("revision", 0), _age(obj, now)]


def _counts(obj: Manifest) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


CELLS: dict[str, Cells] = {
    "ConfigMap": lambda o, now: [_counts(o), _age(o, now)],
    "ControllerRevision": _revision,
    "ClusterRole": lambda o, now: [o["metadata"].get("creationTimestamp")],
    "ClusterRoleBinding": _binding,
    "CustomResourceDefinition": lambda o, now: [o["metadata"].get("creationTimestamp")],
    "CronJob": _cronjob,
    "DaemonSet": _daemonset,
    "Deployment": _deployment,
    "Endpoints": _endpoints,
    "EndpointSlice": _endpoint_slice,
    "Event": _event,
    "HorizontalPodAutoscaler": _autoscaler,
    "Ingress": _ingress,
    "IngressClass": lambda o, now: [(o.get("spec") or {}).get("controller", ""), NONE, _age(o, now)],
    "Job": _job,
    "Lease": lambda o, now: [(o.get("spec") or {}).get("holderIdentity", ""), _age(o, now)],
    "LimitRange": lambda o, now: [o["metadata"].get("creationTimestamp")],
    "Namespace": lambda o, now: [_status(o).get("phase", ""), _age(o, now)],
    "NetworkPolicy": lambda o, now: [_selector(o["spec"].get("podSelector")), _age(o, now)],
    "Node": _node,
    "PersistentVolume": _volume,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "PodDisruptionBudget": _budget,
    "PodTemplate": lambda o, now: [*_template(o), _labels(o["template"]["metadata"].get("labels"))],
    "PriorityClass": lambda o, now: [
        o["value"],
        bool(o.get("globalDefault")),
        _age(o, now),
        o.get("preemptionPolicy", ""),
    ],
    "ReplicaSet": _replicaset,
    "ReplicationController": _replicaset,
    "ResourceQuota": _quota,
    "Role": lambda o, now: [o["metadata"].get("creationTimestamp")],
    "RoleBinding": _binding,
    "Secret": lambda o, now: [o.get("type", ""), _counts(o), _age(o, now)],
    "Service": _service,
    "ServiceAccount": lambda o, now: [_age(o, now)],
    "StatefulSet": _statefulset,
    "StorageClass": lambda o, now: [
        o["provisioner"],
        o.get("reclaimPolicy", "Delete"),
        o.get("volumeBindingMode", "Immediate"),
        bool(o.get("allowVolumeExpansion")),
        _age(o, now),
    ],
}
