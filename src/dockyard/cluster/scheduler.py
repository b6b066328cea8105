"""The scheduler, for a cluster of few nodes: finds a node where a Pod fits, or says why there is none."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.podstate import condition, is_finished, is_terminating
from dockyard.cluster.quantity import parse
from dockyard.cluster.selectors import Requirement
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import rfc3339

COMPONENT = "default-scheduler"
# A Pod that fits nowhere is looked at again when the cluster changes, and at the latest after this long.
RETRY_SECONDS = 300.0
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}

logger = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """Why a node is no place for a Pod, and whether evicting others could change that."""

    reasons: tuple[str, ...]
    evicting_helps: bool = False


def controller(api: Api) -> Controller:
    """The scheduling loop; it runs on the same queue as the controllers."""

    def waiting(event: Event) -> Iterable[Key]:
        if event.kind == "Node" and event.old is not None and _offer(event.object) == _offer(event.old):
            return ()
        return [key_of(pod) for pod in api.list("Pod") if _is_ours(pod)]

    def reconcile(api: Api, pod: Manifest) -> float | None:
        return schedule(api, pod)

    return _Scheduler(api, "scheduler", "Pod", reconcile, triggers={"Node": waiting})


class _Scheduler(KindController):
    """Wakes the waiting Pods also when another Pod leaves room."""

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind != "Pod":
            return super().keys(event)
        if event.type != "DELETED" and not is_finished(event.object):
            return (Key(event.namespace, event.name),) if _is_ours(event.object) else ()
        return [key_of(pod) for pod in self._api.list("Pod") if _is_ours(pod)]


def _is_ours(pod: Manifest) -> bool:
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", COMPONENT) == COMPONENT
        and not is_terminating(pod)
        and not is_finished(pod)
        and not spec.get("schedulingGates")
    )


def _offer(node: Manifest) -> object:
    return node["spec"], node["metadata"].get("labels"), node.get("status", {}).get("allocatable")


def schedule(api: Api, pod: Manifest) -> float | None:
    """Bind the Pod to a node where it fits; otherwise report why not, and return when to look again."""
    if not _is_ours(pod):
        return None
    nodes = api.list("Node")
    others = [p for p in api.list("Pod") if p["spec"].get("nodeName") and not is_finished(p)]
    refusals = []
    for node in nodes:
        refusal = judge(pod, node, [p for p in others if p["spec"]["nodeName"] == node["metadata"]["name"]])
        if refusal is None:
            _bind(api, pod, node["metadata"]["name"])
            return None
        refusals.append(refusal)
    _report_failure(api, pod, refusals)
    return RETRY_SECONDS


def _bind(api: Api, pod: Manifest, node: str) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    api.bind(name, namespace, node)
    logger.info("pods/%s: bound to %s", name, node)
    message = f"Successfully assigned {namespace}/{name} to {node}"
    api.record_event(pod, "Normal", "Scheduled", message, component=COMPONENT)


def judge(pod: Manifest, node: Manifest, others: list[Manifest]) -> Refusal | None:
    """None when the Pod can run on the node beside `others`; else the first filter's refusal.

    The order is that of upstream's filter plug-ins. Differs: affinity between Pods, topology spread and
    volume limits are not looked at.
    """
    spec = pod["spec"]
    tolerations = spec.get("tolerations", ())
    unschedulable = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node["spec"].get("unschedulable") and not _tolerated(unschedulable, tolerations):
        return Refusal(("node(s) were unschedulable",))
    taints = [t for t in node["spec"].get("taints") or () if t["effect"] in ("NoSchedule", "NoExecute")]
    if any(not _tolerated(taint, tolerations) for taint in taints):
        return Refusal(("node(s) had untolerated taint(s)",))
    if not _wants(spec, node):
        return Refusal(("node(s) didn't match Pod's node affinity/selector",))
    if _host_ports(pod) & {port for other in others for port in _host_ports(other)}:
        return Refusal(("node(s) didn't have free ports for the requested pod ports",), evicting_helps=True)
    return _fit(pod, node, others)


def _tolerated(taint: Manifest, tolerations: Iterable[Manifest]) -> bool:
    for toleration in tolerations:
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        if toleration.get("key") not in (None, "", taint["key"]):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            return True
        if toleration.get("key") and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def _wants(spec: Manifest, node: Manifest) -> bool:
    labels = node["metadata"].get("labels", {})
    if not spec.get("nodeSelector", {}).items() <= labels.items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_matches(term, node, labels) for term in required["nodeSelectorTerms"])


def _term_matches(term: Manifest, node: Manifest, labels: dict[str, str]) -> bool:
    fields = {"metadata.name": node["metadata"]["name"]}
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    return bool(by_label or by_field) and all(
        Requirement(e["key"], _OPERATORS[e["operator"]], tuple(e.get("values") or ())).matches(values)
        for expressions, values in ((by_label, labels), (by_field, fields))
        for e in expressions
    )


def _host_ports(pod: Manifest) -> set[tuple[str, int]]:
    return {
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if port.get("hostPort")
    }


def requests(pod: Manifest) -> Counter[str]:
    """What the Pod asks for: its containers together, or its biggest init container when that is more.

    Values are exact; `cpu` in cores, `memory` in bytes.
    """
    total: Counter[str] = Counter()
    for container in pod["spec"]["containers"]:
        _add(total, container)
    biggest: Counter[str] = Counter()
    sidecars: Counter[str] = Counter()
    for container in pod["spec"].get("initContainers", ()):
        if container.get("restartPolicy") == "Always":
            _add(sidecars, container)
            peak = sidecars
        else:
            peak = Counter(sidecars)
            _add(peak, container)
        biggest |= peak
    return (total + sidecars) | biggest


def _add(total: Counter[str], container: Manifest) -> None:
    for resource, text in ((container.get("resources") or {}).get("requests") or {}).items():
        total[resource] += parse(text)  # type: ignore[assignment]  # a Counter of exact fractions


def _fit(pod: Manifest, node: Manifest, others: list[Manifest]) -> Refusal | None:
    allocatable = node.get("status", {}).get("allocatable") or {}
    wanted = requests(pod)
    used: Counter[str] = Counter()
    for other in others:
        used += requests(other)
    reasons, evicting_helps = [], True
    if len(others) + 1 > parse(allocatable.get("pods", "0")):
        reasons.append("Too many pods")
    for resource, amount in sorted(wanted.items()):
        capacity = parse(allocatable.get(resource, "0"))
        if amount > capacity - Fraction(used[resource]):
            reasons.append(f"Insufficient {resource}")
            evicting_helps = evicting_helps and amount <= capacity
    return Refusal(tuple(reasons), evicting_helps) if reasons else None


def _report_failure(api: Api, pod: Manifest, refusals: list[Refusal]) -> None:
    message = _explain(refusals)
    current = condition(pod, "PodScheduled")
    known = current is not None and current["status"] == "False"
    if known and current is not None and current.get("message") == message:
        return
    api.record_event(pod, "Warning", "FailedScheduling", message, component=COMPONENT)
    now = rfc3339(api.clock.now())
    scheduled = {
        "type": "PodScheduled",
        "observedGeneration": pod["metadata"]["generation"],
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": current["lastTransitionTime"] if known and current is not None else now,
        "reason": "Unschedulable",
        "message": message,
    }
    kept = [c for c in pod["status"].get("conditions", ()) if c["type"] != "PodScheduled"]
    api.update_status("Pod", pod | {"status": {**pod["status"], "conditions": [*kept, scheduled]}})


def _explain(refusals: list[Refusal]) -> str:
    if not refusals:
        return "no nodes available to schedule pods"
    count = len(refusals)
    reasons = Counter(reason for refusal in refusals for reason in refusal.reasons)
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    hopeless = sum(1 for refusal in refusals if not refusal.evicting_helps)
    # Differs: nothing is preempted, so a Pod of a higher priority waits like any other.
    preemption = []
    if count - hopeless:
        preemption.append(f"{count - hopeless} No preemption victims found for incoming pod")
    if hopeless:
        preemption.append(f"{hopeless} Preemption is not helpful for scheduling")
    return (
        f"0/{count} nodes are available: {listed}. no new claims to deallocate, "
        f"preemption: 0/{count} nodes are available: {', '.join(preemption)}."
    )
