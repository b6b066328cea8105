"""What a StatefulSet's status says: its Pods counted as they were found, and the revisions they come from."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.podstate import is_ready, is_terminating, seconds_until_available
from dockyard.cluster.statefulset.identity import revision_of
from dockyard.cluster.store import Manifest


def is_running_and_ready(pod: Manifest) -> bool:
    return pod["status"].get("phase") == "Running" and is_ready(pod)


def is_available(api: Api, statefulset: Manifest, pod: Manifest) -> bool:
    """Whether the Pod has been Ready for `minReadySeconds`."""
    wait = _wait(api, statefulset, pod)
    return wait == 0.0


def _wait(api: Api, statefulset: Manifest, pod: Manifest) -> float | None:
    if not is_running_and_ready(pod):
        return None
    return seconds_until_available(pod, statefulset["spec"].get("minReadySeconds", 0), api.clock.now())


def until_available(api: Api, statefulset: Manifest, pods: list[Manifest]) -> float | None:
    """In how many seconds the next Ready Pod becomes available, or None when none waits for that."""
    waits = [_wait(api, statefulset, pod) for pod in pods]
    return min((wait for wait in waits if wait), default=None)


def counts(
    api: Api, statefulset: Manifest, pods: list[Manifest], current: str, update: str
) -> dict[str, int]:
    """How many Pods there are, are ready and available, and are of the current and of the new revision."""
    staying = [pod for pod in pods if not is_terminating(pod)]
    return {
        "replicas": len(pods),
        "readyReplicas": sum(is_running_and_ready(pod) for pod in pods),
        "currentReplicas": sum(revision_of(pod) == current for pod in staying),
        "updatedReplicas": sum(revision_of(pod) == update for pod in staying),
        "availableReplicas": sum(is_available(api, statefulset, pod) for pod in pods),
    }


def is_complete(statefulset: Manifest, found: dict[str, int]) -> bool:
    """Whether a rolling update has replaced every Pod, and all of them are ready."""
    wanted = statefulset["spec"]["replicas"]
    return bool(
        statefulset["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        and found["updatedReplicas"] == found["readyReplicas"] == found["replicas"] == wanted
    )


def report(
    api: Api, statefulset: Manifest, found: dict[str, int], current: str, update: str, collisions: int
) -> None:
    """Write the status when it changed; a rolling update that is complete makes its revision the current."""
    if is_complete(statefulset, found):
        found["currentReplicas"], current = found["updatedReplicas"], update
    status: Manifest = {"observedGeneration": statefulset["metadata"]["generation"]}
    shown = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")
    status |= {name: found[name] for name in shown if found[name] or name == "replicas"}
    status |= {"currentRevision": current, "updateRevision": update, "collisionCount": collisions}
    status["availableReplicas"] = found["availableReplicas"]
    if status != statefulset.get("status"):
        api.update_status("StatefulSet", statefulset | {"status": status})
