"""metrics.k8s.io: what Pods and nodes use, for `kubectl top` and autoscalers."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import selectors
from dockyard.cluster.api import Api
from dockyard.cluster.errors import MethodNotAllowed, NotFound
from dockyard.cluster.http.negotiation import Form, choose
from dockyard.cluster.http.options import list_options
from dockyard.cluster.http.paths import Target
from dockyard.cluster.kinds import Kind
from dockyard.cluster.metrics import PodReading
from dockyard.wire.clock import rfc3339
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

GROUP = "metrics.k8s.io"
_COLUMNS = (("Name", "name"), ("cpu", "quantity"), ("memory", "quantity"), ("Window", "duration"))


def answer(api: Api, target: Target, request: Request) -> Response:
    """GET of one reading or of many. Raises NotFound, MethodNotAllowed."""
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed
    form = choose(request.headers.get("accept"))
    kind = target.kind
    if target.name:
        found = _one(api, target)
        return json_response(_table(kind, [found]) if form is Form.TABLE else found)
    options = list_options(request.query)
    if options.watch:
        raise MethodNotAllowed
    labels = selectors.parse_labels(options.label_selector)
    fields = selectors.parse_fields(options.field_selector, kind)
    items = _pods(api, target.namespace) if kind.namespaced else _nodes(api)
    items = [item for item in items if labels.matches(item["metadata"].get("labels"))]
    items = [item for item in items if selectors.fields_match(fields, item)]
    if form is Form.TABLE:
        return json_response(_table(kind, items))
    bare = [
        {key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items
    ]
    head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": {}}
    return json_response({**head, "items": bare})


def _one(api: Api, target: Target) -> Manifest:
    # A Pod or node that isn't there is missed as such; one that isn't measured yet, as its metrics.
    api.get("Pod" if target.kind.namespaced else "Node", target.name, target.namespace)
    items = _pods(api, target.namespace) if target.kind.namespaced else _nodes(api)
    found = next((item for item in items if item["metadata"]["name"] == target.name), None)
    if found is None:
        name = f"{target.namespace}/{target.name}" if target.kind.namespaced else target.name
        plural = target.kind.kind.lower()
        details = {"name": name, "group": GROUP, "kind": plural}
        raise NotFound(f'{plural}.{GROUP} "{name}" not found', details)
    return found


def _pods(api: Api, namespace: str | None) -> list[Manifest]:
    found = []
    for pod in api.list("Pod", namespace):
        reading = api.readings.of(pod["metadata"]["uid"])
        if reading is not None and pod["status"].get("phase") == "Running":
            containers = [
                {"name": name, "usage": _usage(use.cpu, use.memory)}
                for name, use in reading.containers.items()
            ]
            found.append({**_head(api, "PodMetrics", pod, reading), "containers": containers})
    return found


def _nodes(api: Api) -> list[Manifest]:
    # Differs: in `kubectl top nodes` a node uses what its Pods use; the machine behind it does more.
    by_node: dict[str, list[PodReading]] = {}
    for pod in api.list("Pod"):
        reading = api.readings.of(pod["metadata"]["uid"])
        if reading is not None:
            by_node.setdefault(pod["spec"].get("nodeName", ""), []).append(reading)
    found = []
    for node in api.list("Node"):
        readings = by_node.get(node["metadata"]["name"], [])
        uses = [use for reading in readings for use in reading.containers.values()]
        latest = max(
            readings, key=lambda reading: reading.time, default=PodReading(api.clock.now(), 15.0, {})
        )
        total = _usage(sum(use.cpu for use in uses), sum(use.memory for use in uses))
        found.append({**_head(api, "NodeMetrics", node, latest), "usage": total})
    return found


def _head(api: Api, kind: str, obj: Manifest, reading: PodReading) -> Manifest:
    meta = obj["metadata"]
    shown = {key: meta[key] for key in ("name", "namespace", "labels") if key in meta}
    return {
        "kind": kind,
        "apiVersion": f"{GROUP}/v1beta1",
        "metadata": {**shown, "creationTimestamp": api.now()},
        "timestamp": rfc3339(reading.time),
        "window": f"{reading.window:.3f}s",
    }


def _usage(cpu: int, memory: int) -> dict[str, str]:
    return {"cpu": f"{cpu}n" if cpu else "0", "memory": f"{memory // 1024}Ki"}


def _table(kind: Kind, items: list[Manifest]) -> Manifest:
    columns = [
        {"name": name, "type": "string", "format": form, "description": "", "priority": 0}
        for name, form in _COLUMNS
    ]
    rows = []
    for item in items:
        uses = [item["usage"]] if "usage" in item else [c["usage"] for c in item["containers"]]
        cpu = sum(int(use["cpu"].rstrip("n")) for use in uses)
        memory = sum(int(use["memory"].removesuffix("Ki")) for use in uses)
        row_meta = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }
        cells = [item["metadata"]["name"], f"{cpu}n", f"{memory}Ki", item["window"]]
        rows.append({"cells": cells, "object": row_meta})
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}}
    return {**head, "columnDefinitions": columns, "rows": rows}
