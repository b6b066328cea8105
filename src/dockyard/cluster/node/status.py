"""A Pod's status out of what its worker knows: phase, conditions, container statuses. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dockyard.cluster.node.container import Container, Role
from dockyard.cluster.node.ranking import EVICTED
from dockyard.cluster.quantity import parse
from dockyard.cluster.store import Manifest

# What is left of a container that still waited when its Pod ended.
_NEVER_RAN: Manifest = {
    "terminated": {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "startedAt": None,
        "finishedAt": None,
    }
}


@dataclass(frozen=True)
class Facts:
    """What the worker knows of a Pod beside its containers."""

    now: str
    host_ip: str
    pod_ip: str = ""
    sandbox_ready: bool = False
    over: bool = False  # all containers have ended for good and the sandbox is gone
    leaving: bool = False  # no container will be started again
    evicted: str = ""  # why the node ends the Pod although it could go on


def phase_of(pod: Manifest, containers: Sequence[Container], *, leaving: bool) -> str:
    """The phase by the containers' states, as upstream's getPhase."""
    policy = pod["spec"]["restartPolicy"]
    for container in containers:
        if container.role is Role.INIT and not container.is_completed:
            if leaving and not container.is_running:
                return "Failed"
            if "terminated" in container.state and policy == "Never":
                return "Failed"
            return "Pending"
        if container.role is Role.SIDECAR and not container.started and not leaving:
            done = all("terminated" in c.state for c in containers if c.role is Role.MAIN)
            if not done and not container.last_state and "terminated" not in container.state:
                return "Pending"
    main = [container for container in containers if container.role is Role.MAIN]
    if any("waiting" in c.state and not c.last_state for c in main) and not leaving:
        return "Pending"
    if any(container.is_running for container in main):
        return "Running"
    if not leaving and any(container.should_run_again(policy) for container in main):
        return "Running"
    return "Succeeded" if all(container.exit_code == 0 for container in main) else "Failed"


def pod_status(pod: Manifest, containers: Sequence[Container], facts: Facts) -> Manifest:
    """The whole status; what other components wrote into it is kept."""
    before = pod["status"]
    phase = "Failed" if facts.evicted else phase_of(pod, containers, leaving=facts.leaving)
    status: Manifest = {"observedGeneration": pod["metadata"]["generation"]}
    # The end of a Pod is reported when it is really over; the conditions tell the outcome before.
    status["phase"] = (
        phase if facts.over or phase not in ("Succeeded", "Failed") else _still(before, containers)
    )
    status["conditions"] = _conditions(pod, containers, facts, phase)
    status["hostIP"] = facts.host_ip
    status["hostIPs"] = [{"ip": facts.host_ip}]
    if facts.pod_ip:
        status["podIP"] = facts.pod_ip
        status["podIPs"] = [{"ip": facts.pod_ip}]
    status["startTime"] = before.get("startTime") or facts.now
    initial = [c for c in containers if c.role in (Role.INIT, Role.SIDECAR)]
    if initial:
        status["initContainerStatuses"] = [_container_status(c, facts) for c in initial]
    status["containerStatuses"] = [_container_status(c, facts) for c in containers if c.role is Role.MAIN]
    status["qosClass"] = before["qosClass"]
    added = [_container_status(c, facts) for c in containers if c.role is Role.EPHEMERAL]
    if added:
        status["ephemeralContainerStatuses"] = added
    resources = _resources(pod)
    if "requests" in resources:
        status["allocatedResources"] = resources["requests"]
    status["resources"] = resources
    for key, value in before.items():
        if key in ("nominatedNodeName", "resourceClaimStatuses", "reason", "message"):
            status[key] = value
    if facts.evicted and facts.over:
        status |= {"reason": EVICTED, "message": facts.evicted}
    return status


def _still(before: Manifest, containers: Sequence[Container]) -> str:
    ran = any(c.container_id and c.role is Role.MAIN for c in containers)
    return "Running" if ran else str(before.get("phase") or "Pending")


def _conditions(pod: Manifest, containers: Sequence[Container], facts: Facts, phase: str) -> list[Manifest]:
    before = {c["type"]: c for c in pod["status"].get("conditions", ())}
    incomplete = [c.name for c in containers if not _is_initialised(c)]
    unready = [c.name for c in containers if c.role in (Role.SIDECAR, Role.MAIN) and not c.ready]
    initialised = ("False", "ContainersNotInitialized", _listed("incomplete status", incomplete))
    if not incomplete:
        initialised = ("True", "PodCompleted" if phase == "Succeeded" else "", "")
    if phase == "Succeeded":
        ready = ("False", "PodCompleted", "")
        initialised = ("True", "PodCompleted", "")
    elif phase == "Failed":
        ready = ("False", "PodFailed", "")
    elif unready:
        ready = ("False", "ContainersNotReady", _listed("unready status", unready))
    else:
        ready = ("True", "", "")
    found = {
        "PodReadyToStartContainers": ("True" if facts.sandbox_ready else "False", "", ""),
        "Initialized": initialised,
        "Ready": _gated(pod, ready, before),
        "ContainersReady": ready,
    }
    generation = pod["metadata"]["generation"]
    conditions = [_condition(k, generation, v, before.get(k), facts.now) for k, v in found.items()]
    for kind, condition in before.items():
        if kind not in found:
            conditions.append({**condition, "observedGeneration": generation})
    return conditions


def _is_initialised(container: Container) -> bool:
    if container.role is Role.INIT:
        return container.is_completed
    if container.role in (Role.MAIN, Role.EPHEMERAL):
        return True
    # The conditions follow a moment after `started` is shown, together with `ready`.
    settled = container.ready or bool(container.spec.get("readinessProbe"))
    return (container.started and settled) or bool(container.last_state)


def _listed(what: str, names: list[str]) -> str:
    return f"containers with {what}: [{' '.join(names)}]"


def _gated(pod: Manifest, ready: tuple[str, str, str], before: Manifest) -> tuple[str, str, str]:
    if ready[0] != "True":
        return ready
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        condition = before.get(name)
        if condition is None:
            messages.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif condition["status"] != "True":
            messages.append(
                f'the status of pod readiness gate "{name}" is not "True", but {condition["status"]}'
            )
    return ("False", "ReadinessGatesNotReady", ", ".join(messages)) if messages else ready


def _condition(
    kind: str, generation: int, value: tuple[str, str, str], before: Manifest | None, now: str
) -> Manifest:
    status, reason, message = value
    same = before is not None and before["status"] == status
    condition: Manifest = {
        "type": kind,
        "observedGeneration": generation,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and same else now,
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _container_status(container: Container, facts: Facts) -> Manifest:
    status: Manifest = {
        "name": container.name,
        "state": _NEVER_RAN if facts.over and "waiting" in container.state else container.state,
        "lastState": container.last_state,
        "ready": container.is_completed if container.role is Role.INIT else container.ready,
        "restartCount": container.restarts,
        "image": container.image,
        "imageID": container.image_id,
    }
    if container.role is Role.EPHEMERAL:
        status["ready"] = False  # nobody waits for it
    else:
        status["started"] = container.started
    if container.container_id:
        status["containerID"] = container.container_id
        resources = container.spec.get("resources") or {}
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
        status["resources"] = resources
        user = {"uid": container.user, "gid": container.group, "supplementalGroups": [container.group]}
        status["user"] = {"linux": user}
    mounts = []
    for mount in container.spec.get("volumeMounts") or ():
        shown = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            shown |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
        mounts.append(shown)
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _resources(pod: Manifest) -> Manifest:
    # What the containers have together, each resource in the words of the only one that names it.
    found: Manifest = {}
    for which in ("limits", "requests"):
        total: dict[str, list[str]] = {}
        sidecars = [c for c in pod["spec"].get("initContainers", ()) if c.get("restartPolicy") == "Always"]
        for container in [*sidecars, *pod["spec"]["containers"]]:
            for resource, text in ((container.get("resources") or {}).get(which) or {}).items():
                total.setdefault(resource, []).append(text)
        if total:
            found[which] = {name: _sum(texts) for name, texts in total.items()}
    return found


def _sum(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    value = sum((parse(text) for text in texts), Fraction(0))
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if value >= size and value % size == 0 and all("i" in text for text in texts):
            return f"{value // size}{unit}"
    return str(value) if value.denominator == 1 else f"{-(-value * 1000 // 1)}m"
