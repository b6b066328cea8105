"""LimitRanger: fills in what a namespace's LimitRanges say of requests and limits, and keeps their bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dockyard.cluster import quantity
from dockyard.cluster.errors import Forbidden
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.podresources import pod_total

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]
Amounts = dict[str, str]

NOTE = "kubernetes.io/limit-ranger"


def fill(api: Api, pod: Manifest, namespace: str) -> None:
    """Give each container of a new Pod the defaults of the namespace; an annotation notes what was set."""
    notes: list[str] = []
    spec = pod.get("spec") or {}
    for limit_range in _ranges(api, namespace):
        defaults = _defaults(limit_range)
        for word, name in (("container", "containers"), ("init container", "initContainers")):
            for container in spec.get(name) or ():
                notes += _fill_container(container, word, *defaults)
    if notes:
        metadata = pod["metadata"]
        text = "LimitRanger plugin set: " + "; ".join(notes)
        metadata["annotations"] = {**(metadata.get("annotations") or {}), NOTE: text}


def check(api: Api, kind: Kind, obj: Manifest, old: Manifest | None) -> None:
    """Raise Forbidden for a Pod or a PersistentVolumeClaim beyond the bounds; updates of Pods are free."""
    if kind.key != "PersistentVolumeClaim" and (kind.key != "Pod" or old is not None):
        return
    find = _pod_problems if kind.key == "Pod" else _claim_problems
    for limit_range in _ranges(api, obj["metadata"]["namespace"]):
        limits = (limit_range.get("spec") or {}).get("limits") or ()
        problems = list(dict.fromkeys(find(limits, obj)))
        if problems:
            why = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            raise Forbidden.of(kind, obj["metadata"].get("name", ""), why)


def _ranges(api: Api, namespace: str) -> list[Manifest]:
    records = sorted(api.store.scan("LimitRange", namespace), key=lambda record: record.name)
    return [record.load() for record in records]


def _defaults(limit_range: Manifest) -> tuple[Amounts, Amounts]:
    requests: Amounts = {}
    limits: Amounts = {}
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") == "Container":
            requests |= limit.get("defaultRequest") or {}
            limits |= limit.get("default") or {}
    return requests, limits


def _fill_container(container: Manifest, word: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for which, defaults in (("request", requests), ("limit", limits)):
        have = resources.get(f"{which}s") or {}
        missing = sorted(defaults.keys() - have.keys())
        if missing:
            resources[f"{which}s"] = {**have, **{name: defaults[name] for name in missing}}
            yield f"{', '.join(missing)} {which} for {word} {container.get('name', '')}"


def _pod_problems(limits: Iterable[Manifest], obj: Manifest) -> Iterator[str]:
    spec = obj["spec"]
    for limit in limits:
        if limit["type"] == "Container":
            for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
                resources = container.get("resources") or {}
                yield from _beyond(limit, resources.get("requests") or {}, resources.get("limits") or {})
        elif limit["type"] == "Pod":
            yield from _beyond(limit, pod_total(spec, "requests"), pod_total(spec, "limits"))


def _claim_problems(limits: Iterable[Manifest], obj: Manifest) -> Iterator[str]:
    requests = (obj["spec"].get("resources") or {}).get("requests") or {}
    for limit in limits:
        if limit["type"] != "PersistentVolumeClaim":
            continue
        for word, key, sign in (("minimum", "min", 1), ("maximum", "max", -1)):
            for name, bound in sorted((limit.get(key) or {}).items()):
                head = f"{word} {name} usage per {limit['type']} is {bound}"
                if name not in requests:
                    yield f"{head}.  No request is specified"
                elif sign * quantity.parse(requests[name]) < sign * quantity.parse(bound):
                    yield f"{head}, but request is {requests[name]}"


def _beyond(limit: Manifest, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = limit["type"]
    for name, bound in sorted((limit.get("min") or {}).items()):
        head, least = f"minimum {name} usage per {kind} is {bound}", quantity.parse(bound)
        if name not in requests:
            yield f"{head}.  No request is specified"
        elif quantity.parse(requests[name]) < least:
            yield f"{head}, but request is {requests[name]}"
        elif name in limits and quantity.parse(limits[name]) < least:
            yield f"{head}, but limit is {limits[name]}"
    for name, bound in sorted((limit.get("max") or {}).items()):
        head, most = f"maximum {name} usage per {kind} is {bound}", quantity.parse(bound)
        if name not in limits:
            yield f"{head}.  No limit is specified"
        elif quantity.parse(limits[name]) > most:
            yield f"{head}, but limit is {limits[name]}"
        elif name in requests and quantity.parse(requests[name]) > most:
            yield f"{head}, but request is {requests[name]}"
    for name, bound in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        head = f"{name} max limit to request ratio per {kind} is {bound}"
        if name not in requests or not quantity.parse(requests[name]):
            yield f"{head}, but no request is specified or request is 0"
        elif name not in limits or not quantity.parse(limits[name]):
            yield f"{head}, but no limit is specified or limit is 0"
        else:
            ratio = quantity.parse(limits[name]) / quantity.parse(requests[name])
            if ratio > quantity.parse(bound):
                yield f"{head}, but provided ratio is {float(ratio):f}"
