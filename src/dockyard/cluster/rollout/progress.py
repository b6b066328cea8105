"""A Deployment's status: the counts, and the conditions Available, Progressing and ReplicaFailure."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError
from dockyard.cluster.podstate import unix
from dockyard.cluster.rollout.scaling import COMPONENT, resolve
from dockyard.cluster.store import Manifest
from dockyard.wire.clock import rfc3339

REVISION = "deployment.kubernetes.io/revision"
COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
# Upstream's "no deadline".
FOREVER = 2**31 - 1


def get(deployment: Manifest, kind: str) -> Manifest | None:
    """The condition of this type, or None."""
    return _find(deployment.get("status", {}), kind)


def _find(status: Manifest, kind: str) -> Manifest | None:
    found: list[Manifest] = [c for c in status.get("conditions", ()) if c["type"] == kind]
    return found[0] if found else None


def _has_deadline(deployment: Manifest) -> bool:
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return deadline is not None and deadline != FOREVER


def _set(status: Manifest, now: float, kind: str, value: str, reason: str, message: str) -> None:
    """Put a condition into the status; the same status and reason again change nothing."""
    stamp = rfc3339(now)
    current = _find(status, kind)
    if current is not None and (current["status"], current["reason"]) == (value, reason):
        return
    since = current["lastTransitionTime"] if current is not None and current["status"] == value else stamp
    _replace(status, kind, value, stamp, since, reason, message)


def _replace(
    status: Manifest, kind: str, value: str, updated: str, since: str, reason: str, message: str
) -> None:
    kept = [c for c in status.get("conditions", ()) if c["type"] != kind]
    condition = {
        "type": kind,
        "status": value,
        "lastUpdateTime": updated,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [*kept, condition]


def note_revision(api: Api, deployment: Manifest, number: str, reason: str, message: str) -> Manifest:
    """The Deployment with its revision annotation and, for a non-empty reason, its Progressing condition."""
    status = dict(deployment.get("status", {}))
    if reason and _has_deadline(deployment):
        _set(status, api.clock.now(), "Progressing", "True", reason, message)
    annotations = deployment["metadata"].get("annotations", {})
    if annotations.get(REVISION) == number and status == deployment.get("status", {}):
        return deployment
    deployment["metadata"]["annotations"] = annotations | {REVISION: number}
    return api.update_status("Deployment", deployment | {"status": status})


def note_failed_create(api: Api, deployment: Manifest, name: str, error: ApiError) -> None:
    """Report that the new ReplicaSet could not be created."""
    message = f'Failed to create new replica set "{name}": {error.message}'
    if _has_deadline(deployment):
        status = dict(deployment.get("status", {}))
        _set(status, api.clock.now(), "Progressing", "False", "ReplicaSetCreateError", message)
        api.update_status("Deployment", deployment | {"status": status})
    api.record_event(deployment, "Warning", "ReplicaSetCreateError", message, component=COMPONENT)


def note_pause(api: Api, deployment: Manifest) -> Manifest:
    """The Deployment with its Progressing condition saying that it was paused or resumed."""
    if not _has_deadline(deployment):
        return deployment
    current = get(deployment, "Progressing")
    if current is not None and current["reason"] == TIMED_OUT:
        return deployment  # a reported lack of progress is not overwritten
    is_paused, was_paused = (
        bool(deployment["spec"].get("paused")),
        current is not None and current["reason"] == PAUSED,
    )
    if is_paused == was_paused:
        return deployment
    status = dict(deployment.get("status", {}))
    reason, message = (
        (PAUSED, "Deployment is paused") if is_paused else ("DeploymentResumed", "Deployment is resumed")
    )
    _set(status, api.clock.now(), "Progressing", "Unknown", reason, message)
    return api.update_status("Deployment", deployment | {"status": status})


def is_complete(deployment: Manifest, status: Manifest) -> bool:
    """Whether every replica is of the new template and available, and no old one is left."""
    wanted = deployment["spec"]["replicas"]
    counts = [status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")]
    seen: int = status.get("observedGeneration", 0)
    return counts == [wanted] * 3 and seen >= int(deployment["metadata"]["generation"])


def _counts(api: Api, deployment: Manifest, new: Manifest | None, old: list[Manifest]) -> Manifest:
    sets = [rs for rs in [new, *old] if rs is not None]

    def total(field: str) -> int:
        return sum(rs.get("status", {}).get(field, 0) for rs in sets)

    available = total("availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total("replicas"),
        "updatedReplicas": new.get("status", {}).get("replicas", 0) if new is not None else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(rs["spec"]["replicas"] for rs in sets) - available),
    }
    status: Manifest = {name: count for name, count in counts.items() if count}
    status["terminatingReplicas"] = total("terminatingReplicas")
    previous = deployment.get("status", {})
    if "collisionCount" in previous:
        status["collisionCount"] = previous["collisionCount"]
    if previous.get("conditions"):
        status["conditions"] = list(previous["conditions"])
    least = deployment["spec"]["replicas"] - resolve(deployment)[1]
    if available >= least:
        value, reason, message = "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        value, reason = "False", "MinimumReplicasUnavailable"
        message = "Deployment does not have minimum availability."
    _set(status, api.clock.now(), "Available", value, reason, message)
    return status


def report_counts(api: Api, deployment: Manifest, new: Manifest | None, old: list[Manifest]) -> None:
    """Write the counts and Available, and leave Progressing as it is."""
    _write(api, deployment, _counts(api, deployment, new, old))


def report(api: Api, deployment: Manifest, new: Manifest | None, old: list[Manifest]) -> float | None:
    """Write the whole status; return in how many seconds the progress deadline has to be looked at."""
    now = api.clock.now()
    status = _counts(api, deployment, new, old)
    previous = deployment.get("status", {})
    current = _find(previous, "Progressing")
    if not _has_deadline(deployment):
        status["conditions"] = [c for c in status["conditions"] if c["type"] != "Progressing"]
    elif not (
        current is not None
        and current["reason"] == COMPLETE
        and status.get("replicas", 0) == status.get("updatedReplicas", 0)
    ):
        _judge(deployment, status, previous, current, new, now)
    _note_failures(status, new, old, now)
    _write(api, deployment, status)
    return _until_deadline(deployment, status, now)


def _judge(
    deployment: Manifest,
    status: Manifest,
    previous: Manifest,
    current: Manifest | None,
    new: Manifest | None,
    now: float,
) -> None:
    subject = (
        f'ReplicaSet "{new["metadata"]["name"]}"'
        if new is not None
        else f'Deployment "{deployment["metadata"]["name"]}"'
    )
    if is_complete(deployment, status):
        _set(status, now, "Progressing", "True", COMPLETE, f"{subject} has successfully progressed.")
    elif _moved(previous, status):
        stamp = rfc3339(now)
        since = (
            current["lastTransitionTime"] if current is not None and current["status"] == "True" else stamp
        )
        _replace(
            status, "Progressing", "True", stamp, since, "ReplicaSetUpdated", f"{subject} is progressing."
        )
    elif _timed_out(deployment, current, now):
        _set(status, now, "Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing.")


def _moved(before: Manifest, after: Manifest) -> bool:
    def old_replicas(status: Manifest) -> int:
        count: int = status.get("replicas", 0) - status.get("updatedReplicas", 0)
        return count

    return old_replicas(after) < old_replicas(before) or any(
        after.get(field, 0) > before.get(field, 0)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _timed_out(deployment: Manifest, current: Manifest | None, now: float) -> bool:
    if current is None or current["reason"] == COMPLETE:
        return False
    if current["reason"] == TIMED_OUT:
        return True
    deadline: float = deployment["spec"]["progressDeadlineSeconds"]
    return unix(current["lastUpdateTime"]) + deadline < now


def _note_failures(status: Manifest, new: Manifest | None, old: list[Manifest], now: float) -> None:
    failures = [
        condition
        for rs in [new, *old]
        if rs is not None and (condition := _find(rs.get("status", {}), "ReplicaFailure")) is not None
    ]
    if failures:
        _set(status, now, "ReplicaFailure", "True", failures[0]["reason"], failures[0]["message"])
    else:
        status["conditions"] = [c for c in status.get("conditions", ()) if c["type"] != "ReplicaFailure"]


def _until_deadline(deployment: Manifest, status: Manifest, now: float) -> float | None:
    current = _find(status, "Progressing")
    if current is None or not _has_deadline(deployment) or current["reason"] in (TIMED_OUT, COMPLETE, PAUSED):
        return None
    left = unix(current["lastUpdateTime"]) + deployment["spec"]["progressDeadlineSeconds"] - now
    # One second more: the deadline counts from a time stamp that was cut to whole seconds.
    return max(0.0, float(left)) + 1.0


def _write(api: Api, deployment: Manifest, status: Manifest) -> None:
    if status != deployment.get("status"):
        api.update_status("Deployment", deployment | {"status": status})
