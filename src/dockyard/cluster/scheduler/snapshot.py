"""What the scheduler knows of nodes and Pods: a cache that follows the events, so no Pod is read twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

from dockyard.cluster.api import Api
from dockyard.cluster.podstate import is_finished, is_terminating
from dockyard.cluster.scheduler.requests import amounts, requests, usual_requests
from dockyard.cluster.scheduler.terms import Labels, Terms, terms_of
from dockyard.cluster.selectors import Selector
from dockyard.cluster.store import Event, Manifest

MOST_COUNTS = 64  # selectors whose Pods a node keeps counting


class PodFacts:
    """One Pod as the scheduler sees it; what is costly to find out is found out once."""

    def __init__(self, pod: Manifest, known: PodFacts | None = None) -> None:
        """`known` are the facts of an earlier version; they serve as long as the spec is the same."""
        self.pod = pod
        metadata = pod["metadata"]
        self.uid: str = metadata["uid"]
        self.name: str = metadata["name"]
        self.namespace: str = metadata["namespace"]
        self.labels: Labels = metadata.get("labels") or {}
        self.leaving = is_terminating(pod)
        self.priority: int = pod["spec"].get("priority") or 0
        self.alike = known is not None and known.pod["spec"] == pod["spec"] and known.labels == self.labels
        if known is not None and self.alike:
            for name in ("wanted", "usual", "ports", "terms"):
                if name in known.__dict__:
                    self.__dict__[name] = known.__dict__[name]

    @cached_property
    def wanted(self) -> Counter[str]:
        """Its requests."""
        return requests(self.pod)

    @cached_property
    def usual(self) -> Counter[str]:
        """Its requests, with a guess for containers without."""
        return usual_requests(self.pod)

    @cached_property
    def terms(self) -> Terms:
        """Its affinity to other Pods."""
        return terms_of(self.pod) if self.pod["spec"].get("affinity") else Terms()

    @cached_property
    def ports(self) -> frozenset[tuple[str, int]]:
        """The ports that it takes of its node."""
        return frozenset(
            (port.get("protocol", "TCP"), port["hostPort"])
            for container in self.pod["spec"]["containers"]
            for port in container.get("ports") or ()
            if port.get("hostPort")
        )


class NodeState:
    """One node and the Pods on it; `node` is None for one that only its Pods name."""

    def __init__(self, name: str, node: Manifest | None = None, pods: Iterable[PodFacts] = ()) -> None:
        self.name = name
        self.node = node
        self.pods: dict[str, PodFacts] = {}
        self.choosy: dict[str, PodFacts] = {}  # those with affinity terms of their own
        self.used: Counter[str] = Counter()
        self.usual: Counter[str] = Counter()
        self._counts: dict[tuple[Selector, str], int] = {}
        self._offer: tuple[Manifest | None, Counter[str]] = (None, Counter())
        for pod in pods:
            self.put(pod)

    @property
    def manifest(self) -> Manifest:
        assert self.node is not None
        return self.node

    @property
    def labels(self) -> Labels:
        return self.manifest["metadata"].get("labels") or {}

    @property
    def taints(self) -> list[Manifest]:
        return self.manifest["spec"].get("taints") or []

    @property
    def allocatable(self) -> Counter[str]:
        if self._offer[0] is not self.node:
            self._offer = (self.node, amounts(self.manifest.get("status", {}).get("allocatable")))
        return self._offer[1]

    def count(self, selector: Selector, namespace: str) -> int:
        """How many Pods of the namespace, selected and not ending, are here.

        Counted once and then kept up: each Pod of a big workload asks it of every node.
        """
        about = (selector, namespace)
        if about not in self._counts:
            if len(self._counts) >= MOST_COUNTS:
                self._counts.clear()
            self._counts[about] = sum(_counts(pod, *about) for pod in self.pods.values())
        return self._counts[about]

    def put(self, pod: PodFacts) -> None:
        """Add the Pod, or take over what is new about it."""
        known = self.pods.get(pod.uid)
        if known is not None and pod.alike and pod.leaving == known.leaving:
            self.pods[pod.uid] = pod  # nothing that is counted has changed
            if pod.uid in self.choosy:
                self.choosy[pod.uid] = pod
            return
        self.drop(pod.uid)
        self.pods[pod.uid] = pod
        self._recount(pod, 1)
        if any(pod.terms):
            self.choosy[pod.uid] = pod
        self.used.update(pod.wanted)
        self.usual.update(pod.usual)

    def drop(self, uid: str) -> None:
        """Take the Pod away; harmless when it is not there."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self.choosy.pop(uid, None)
            self._recount(pod, -1)
            self.used.subtract(pod.wanted)
            self.usual.subtract(pod.usual)

    def _recount(self, pod: PodFacts, change: int) -> None:
        for about in self._counts:
            if _counts(pod, *about):
                self._counts[about] += change

    def changed(self, *, without: Iterable[str] = (), plus: Iterable[PodFacts] = ()) -> NodeState:
        """A copy with other Pods on it; for asking what would be."""
        gone = set(without)
        return NodeState(self.name, self.node, [*(p for u, p in self.pods.items() if u not in gone), *plus])


def _counts(pod: PodFacts, selector: Selector, namespace: str) -> bool:
    return pod.namespace == namespace and not pod.leaving and selector.matches(pod.labels)


class Snapshot:
    """Every node with its Pods, the Pods that room is being made for, and the namespaces' labels."""

    def __init__(self, api: Api) -> None:
        self._states: dict[str, NodeState] = {}
        self._places: dict[str, str] = {}  # uid -> node
        self.nominated: dict[str, PodFacts] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        for node in api.list("Node"):
            self._state(node["metadata"]["name"]).node = node
        for namespace in api.list("Namespace"):
            self.namespaces[namespace["metadata"]["name"]] = namespace["metadata"].get("labels") or {}
        for pod in api.list("Pod"):
            self._see(pod)

    @property
    def states(self) -> list[NodeState]:
        """The nodes there are, by name."""
        return [state for _, state in sorted(self._states.items()) if state.node is not None]

    def observe(self, event: Event) -> None:
        """Follow a committed change."""
        if event.kind == "Node":
            self._state(event.name).node = event.object if event.type != "DELETED" else None
        elif event.kind == "Namespace":
            self.namespaces[event.name] = event.object["metadata"].get("labels") or {}
        elif event.kind == "Pod" and event.type != "DELETED":
            self._see(event.object)
        elif event.kind == "Pod":
            self._forget(event.object["metadata"]["uid"])

    def _see(self, pod: Manifest) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if is_finished(pod):
            self._forget(uid)
            return
        if not node:
            if pod["status"].get("nominatedNodeName"):
                self.nominated[uid] = PodFacts(pod, self.nominated.get(uid))
            else:
                self.nominated.pop(uid, None)
            return
        self.nominated.pop(uid, None)
        state = self._state(node)
        self._places[uid] = node
        state.put(PodFacts(pod, state.pods.get(uid)))

    def _forget(self, uid: str) -> None:
        self.nominated.pop(uid, None)
        node = self._places.pop(uid, None)
        if node is not None:
            self._states[node].drop(uid)

    def _state(self, name: str) -> NodeState:
        return self._states.setdefault(name, NodeState(name))
