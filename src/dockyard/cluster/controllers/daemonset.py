"""DaemonSet: one Pod on every node that wants it, replaced a few nodes at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dockyard.cluster import history
from dockyard.cluster.api import Api
from dockyard.cluster.daemonset import update
from dockyard.cluster.daemonset.placement import Verdict, judge, new_pod, node_of
from dockyard.cluster.errors import ApiError, NotFound
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.owners import claim, controller_of, controllers_named_by
from dockyard.cluster.podstate import is_finished, is_ready, is_terminating
from dockyard.cluster.selectors import matches
from dockyard.cluster.store import Event, Manifest

COMPONENT = "daemonset-controller"
HASH_LABEL = history.POD_LABEL

Placed = dict[str, list[Manifest]]


def controller(api: Api) -> Controller:
    def owners(event: Event) -> Iterable[Key]:
        named = controllers_named_by(event, "DaemonSet")
        if named:
            return [Key(event.namespace, name) for name in named]
        if controller_of(event.object) is not None:
            return ()
        labels = event.object["metadata"].get("labels", {})
        daemonsets = api.list("DaemonSet", event.namespace)
        return [key_of(d) for d in daemonsets if matches(d["spec"]["selector"], labels)]

    def everyone(event: Event) -> Iterable[Key]:
        if event.old is not None and _offer(event.old) == _offer(event.object):
            return ()
        return [key_of(daemonset) for daemonset in api.list("DaemonSet")]

    return KindController(
        api, "daemonset", "DaemonSet", reconcile, triggers={"Pod": owners, "Node": everyone}
    )


def _offer(node: Manifest) -> object:
    return node["spec"], node["metadata"].get("labels")


def reconcile(api: Api, daemonset: Manifest) -> float | None:
    """Create and delete Pods until each node has the one it should have; report in `status`."""
    pods = claim(api, daemonset, "Pod")
    known = history.revisions_of(api, daemonset)
    if is_terminating(daemonset):
        return None
    revision, _ = history.ensure(api, daemonset, known, HASH_LABEL)
    digest = history.hash_of(revision, HASH_LABEL)
    nodes = {node["metadata"]["name"]: judge(daemonset, node) for node in api.list("Node")}
    problem: ApiError | None = None
    try:
        _place(api, daemonset, nodes, _by_node(pods), digest)
        if daemonset["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            _roll(api, daemonset, nodes, digest)
    except ApiError as error:
        problem = error
    placed = _by_node(_own(api, daemonset))
    used = {
        pod["metadata"].get("labels", {}).get(history.POD_LABEL) for pods in placed.values() for pod in pods
    }
    known = history.revisions_of(api, daemonset)
    live = [r["metadata"]["name"] for r in known if history.hash_of(r, HASH_LABEL) in used | {digest}]
    history.truncate(api, daemonset, known, live)
    _report(api, daemonset, nodes, placed, digest)
    if problem is not None:
        raise problem
    return update.until_available(api, daemonset, [pod for pods in placed.values() for pod in pods])


def _own(api: Api, daemonset: Manifest) -> list[Manifest]:
    uid = daemonset["metadata"]["uid"]
    pods = api.list("Pod", daemonset["metadata"]["namespace"])
    return [pod for pod in pods if (owner := controller_of(pod)) is not None and owner["uid"] == uid]


def _by_node(pods: list[Manifest]) -> Placed:
    """The Pods of each node, oldest first. What has ended and is being deleted counts no more."""
    placed: Placed = defaultdict(list)
    for pod in sorted(pods, key=lambda p: (p["metadata"]["creationTimestamp"], p["metadata"]["name"])):
        if not (is_finished(pod) and is_terminating(pod)):
            placed[node_of(pod)].append(pod)
    return placed


def _place(api: Api, daemonset: Manifest, nodes: dict[str, Verdict], placed: Placed, digest: str) -> None:
    """A Pod for each node that wants one and has none; none where none may be, and no two."""
    surges = update.surge_and_unavailable(daemonset, len(nodes))[0] > 0
    for node in sorted(nodes):
        verdict, pods = nodes[node], placed.get(node, [])
        if verdict.wants and not pods:
            _create(api, daemonset, node, digest)
        elif not verdict.keeps:
            _delete(api, daemonset, pods)
        else:
            _delete(api, daemonset, _superfluous(api, daemonset, pods, digest, surges=surges))
    # Pods of nodes that are gone; those of no node yet are the scheduler's to refuse.
    _delete(api, daemonset, [pod for node in placed if node not in nodes for pod in placed[node]])


def _superfluous(
    api: Api, daemonset: Manifest, pods: list[Manifest], digest: str, *, surges: bool
) -> list[Manifest]:
    staying = [pod for pod in pods if not is_terminating(pod)]
    ended = [pod for pod in staying if is_finished(pod)]
    for pod in ended:
        _tell_of_ended(api, daemonset, pod)
    running = [pod for pod in staying if not is_finished(pod)]
    if not surges:
        return [*ended, *running[1:]]
    new = [pod for pod in running if update.is_current(pod, digest)]
    old = [pod for pod in running if not update.is_current(pod, digest)]
    return [*ended, *new[1:], *old[1:]]


def _tell_of_ended(api: Api, daemonset: Manifest, pod: Manifest) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    where = f"pod {namespace}/{name} on node {node_of(pod)}"
    if pod["status"]["phase"] == "Failed":
        message = f"Found failed daemon {where}, will try to kill it"
        api.record_event(daemonset, "Warning", "FailedDaemonPod", message, component=COMPONENT)
    else:
        message = f"Found succeeded daemon {where}, will try to delete it"
        api.record_event(daemonset, "Normal", "SucceededDaemonPod", message, component=COMPONENT)


def _roll(api: Api, daemonset: Manifest, nodes: dict[str, Verdict], digest: str) -> None:
    # As they are now: a Pod that was just made is on its way, and its node is not available.
    placed = {node: pods for node, pods in _by_node(_own(api, daemonset)).items() if node in nodes}
    desired = sum(verdict.wants for verdict in nodes.values())
    nodes_now, pods_now = update.moves(api, daemonset, placed, digest, desired)
    _delete(api, daemonset, pods_now)
    for node in nodes_now:
        if nodes[node].wants:
            _create(api, daemonset, node, digest)


def _create(api: Api, daemonset: Manifest, node: str, digest: str) -> None:
    try:
        pod = api.create(
            "Pod", new_pod(daemonset, node, digest), namespace=daemonset["metadata"]["namespace"]
        )
    except ApiError as error:
        message = f"Error creating: {error.message}"
        api.record_event(daemonset, "Warning", "FailedCreate", message, component=COMPONENT)
        raise
    message = f"Created pod: {pod['metadata']['name']}"
    api.record_event(daemonset, "Normal", "SuccessfulCreate", message, component=COMPONENT)


def _delete(api: Api, daemonset: Manifest, pods: list[Manifest]) -> None:
    for pod in pods:
        if is_terminating(pod):
            continue
        name = pod["metadata"]["name"]
        try:
            api.delete("Pod", name, pod["metadata"]["namespace"])
        except NotFound:
            continue
        message = f"Deleted pod: {name}"
        api.record_event(daemonset, "Normal", "SuccessfulDelete", message, component=COMPONENT)


def _report(api: Api, daemonset: Manifest, nodes: dict[str, Verdict], placed: Placed, digest: str) -> None:
    desired = {node for node, verdict in nodes.items() if verdict.wants}
    # Of several on a node the oldest speaks for it.
    first = {node: pods[0] for node, pods in placed.items() if pods}
    speaking = [pod for node, pod in first.items() if node in desired]
    available = sum(update.is_available(api, daemonset, pod) for pod in speaking)
    status: Manifest = {
        "currentNumberScheduled": len(speaking),
        "numberMisscheduled": sum(node in nodes and node not in desired for node in first),
        "desiredNumberScheduled": len(desired),
        "numberReady": sum(is_ready(pod) for pod in speaking),
        "observedGeneration": daemonset["metadata"]["generation"],
    }
    optional = {
        "updatedNumberScheduled": sum(update.is_current(pod, digest) for pod in speaking),
        "numberAvailable": available,
        "numberUnavailable": len(desired) - available,
    }
    status |= {name: count for name, count in optional.items() if count}
    if status != daemonset.get("status"):
        api.update_status("DaemonSet", daemonset | {"status": status})
