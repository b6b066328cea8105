"""The scheduling loop: which Pods wait, what wakes them, and one attempt to find a Pod its node."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Key, key_of
from dockyard.cluster.owners import controller_of
from dockyard.cluster.podstate import is_finished, is_terminating
from dockyard.cluster.scheduler import preemption
from dockyard.cluster.scheduler.filters import Filters, Refusal
from dockyard.cluster.scheduler.report import COMPONENT, fit_error, report_failure
from dockyard.cluster.scheduler.scores import choose
from dockyard.cluster.scheduler.snapshot import NodeState, PodFacts, Snapshot
from dockyard.cluster.selectors import Selector, from_labels, from_object
from dockyard.cluster.storage import scheduling as volumes
from dockyard.cluster.store import Event, Manifest

# A Pod that fits nowhere is looked at again when the cluster changes, and at the latest after this long.
RETRY_SECONDS = 300.0
_STORAGE = ("PersistentVolumeClaim", "PersistentVolume", "StorageClass")
_ANYTHING = frozenset({"node", "ports", "resources", "volumes", "spread", "affinity"})

logger = logging.getLogger(__name__)


def controller(api: Api) -> Scheduler:
    """The scheduler; it runs on the same queue as the controllers."""
    return Scheduler(api)


class Scheduler:
    """A controller of Pods without a node. What it remembers is a cache of the API's objects."""

    name = "scheduler"

    def __init__(self, api: Api) -> None:
        self._api = api
        self._snapshot: Snapshot | None = None
        self._waiting: dict[Key, tuple[int, frozenset[str]]] = {}  # priority, and what would have to change

    # -- a controller

    def existing(self) -> Iterable[Key]:
        self._snapshot = Snapshot(self._api)
        pods = sorted((p for p in self._api.list("Pod") if is_ours(p)), key=_turn)
        return [key_of(pod) for pod in pods]

    def keys(self, event: Event) -> Iterable[Key]:
        """The Pod of the event when it asks for a node, and all for whom the change may make a difference."""
        if self._snapshot is not None:
            self._snapshot.observe(event)
        if event.kind == "Node":
            changed = (
                event.old is None or event.type == "DELETED" or _offer(event.old) != _offer(event.object)
            )
            return self._woken(_ANYTHING) if changed else ()
        if event.kind in _STORAGE:
            return self._woken(frozenset({"volumes"}))
        return self._pod_keys(event) if event.kind == "Pod" else ()

    def _pod_keys(self, event: Event) -> Iterable[Key]:
        key, pod, old = Key(event.namespace, event.name), event.object, event.old
        if event.type == "DELETED" or is_finished(pod):
            self._waiting.pop(key, None)
            return self._woken(_ANYTHING - {"node", "volumes"})
        if is_ours(pod):
            return (key,) if old is None or _question(old) != _question(pod) else ()
        if old is None or _question(old) != _question(pod):
            self._waiting.pop(key, None)
            return self._woken(frozenset({"spread", "affinity"}))
        return ()

    def _woken(self, concerns: frozenset[str]) -> list[Key]:
        """Those who wait for a change of this kind, the highest priority first."""
        found = [(-priority, key) for key, (priority, cause) in self._waiting.items() if cause & concerns]
        return [key for _, key in sorted(found)]

    def reconcile(self, key: Key) -> float | None:
        """Try to find the Pod a node."""
        pod = self._api.find("Pod", key.name, key.namespace)
        if pod is None or not is_ours(pod):
            self._waiting.pop(key, None)
            return None
        return self._schedule(key, PodFacts(pod))

    # -- one attempt

    def _schedule(self, key: Key, pod: PodFacts) -> float | None:
        api = self._api
        assert self._snapshot is not None
        states = self._snapshot.states
        problem = volumes.pod_problem(api, pod.pod)
        if problem is not None and states:
            self._wait(key, pod, {"volumes"})
            report_failure(api, pod.pod, f"0/{len(states)} nodes are available: {problem}. not found")
            return RETRY_SECONDS
        refusals = self._judge_all(pod, states)
        fitting = [state for state in states if state.name not in refusals]
        if not fitting:
            self._fail(key, pod, states, refusals)
            return RETRY_SECONDS
        promised = [s for s in fitting if s.name == pod.pod["status"].get("nominatedNodeName")]
        group = self._group(pod) if len(fitting) > 1 else None
        name = choose(pod, states, promised or fitting, self._snapshot.namespaces, group)
        self._wait(key, pod, {"volumes"})
        if not volumes.bind(api, pod.pod, name):
            return RETRY_SECONDS  # its claims are being bound, which wakes it
        api.bind(pod.name, pod.namespace, name)
        logger.info("pods/%s: bound to %s", pod.name, name)
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {name}"
        api.record_event(pod.pod, "Normal", "Scheduled", message, component=COMPONENT)
        return None

    def _wait(self, key: Key, pod: PodFacts, causes: Iterable[str]) -> None:
        self._waiting[key] = pod.priority, frozenset(causes)

    def _filters(self, pod: PodFacts, states: Sequence[NodeState]) -> Filters:
        assert self._snapshot is not None
        return Filters(
            pod,
            states,
            self._snapshot.namespaces,
            lambda pod, node: volumes.node_problem(self._api, pod, node),
        )

    def _judge_all(self, pod: PodFacts, states: Sequence[NodeState]) -> dict[str, Refusal]:
        filters = self._filters(pod, states)
        found = {state.name: filters.judge(state) for state in states}
        # Room that was made for a Pod of at least this priority isn't free, though nobody is there yet.
        for state in states:
            coming = self._coming(pod, state)
            if coming and found[state.name] is None:
                changed = state.changed(plus=coming)
                found[state.name] = self._filters(pod, [changed if s is state else s for s in states]).judge(
                    changed
                )
        return {name: refusal for name, refusal in found.items() if refusal is not None}

    def _coming(self, pod: PodFacts, state: NodeState) -> list[PodFacts]:
        assert self._snapshot is not None
        return [
            other
            for other in self._snapshot.nominated.values()
            if other.uid != pod.uid
            and other.priority >= pod.priority
            and other.pod["status"].get("nominatedNodeName") == state.name
        ]

    def _fail(
        self, key: Key, pod: PodFacts, states: Sequence[NodeState], refusals: dict[str, Refusal]
    ) -> None:
        api = self._api
        assert self._snapshot is not None
        self._wait(key, pod, {r.concern for r in refusals.values()} or {"node"})
        why = preemption.not_eligible(pod, states)
        candidate = None
        if why is None and states:
            candidate, why = preemption.find(
                api, pod, states, refusals, lambda changed: self._filters(pod, changed)
            )
        if candidate is None:
            report_failure(api, pod.pod, fit_error(refusals.values(), why))
            return
        logger.info("pods/%s: makes room on %s", pod.name, candidate.node)
        preemption.carry_out(api, pod, candidate, list(self._snapshot.nominated.values()))
        report_failure(api, pod.pod, fit_error(refusals.values(), None), candidate.node)

    def _group(self, pod: PodFacts) -> Selector | None:
        """What selects the Pods that this one should be spread with: its Services and its workload's."""
        found: list[Selector] = []
        for service in self._api.list("Service", pod.namespace):
            wanted = service["spec"].get("selector")
            if wanted and from_labels(wanted).matches(pod.labels):
                found.append(from_labels(wanted))
        owner = controller_of(pod.pod)
        if owner is not None and owner["kind"] in ("ReplicaSet", "StatefulSet"):
            workload = self._api.find(owner["kind"], owner["name"], pod.namespace)
            selector = from_object(workload["spec"].get("selector")) if workload is not None else None
            found += [selector] if selector is not None else []
        return Selector(requirement for selector in found for requirement in selector) if found else None


def is_ours(pod: Manifest) -> bool:
    """Whether the Pod waits for this scheduler."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", COMPONENT) == COMPONENT
        and not is_terminating(pod)
        and not is_finished(pod)
        and not spec.get("schedulingGates")
    )


def _turn(pod: Manifest) -> tuple[int, str, str]:
    return -(pod["spec"].get("priority") or 0), pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def _question(pod: Manifest) -> object:
    """What of a Pod decides about nodes, its own and others'."""
    return pod["spec"], pod["metadata"].get("labels"), is_terminating(pod)


def _offer(node: Manifest) -> object:
    return node["spec"], node["metadata"].get("labels"), node.get("status", {}).get("allocatable")
