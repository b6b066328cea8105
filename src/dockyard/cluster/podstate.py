"""What a Pod's status says, read as facts."""

from __future__ import annotations

from calendar import timegm
from time import strptime

from dockyard.cluster.store import Manifest


def condition(obj: Manifest, kind: str) -> Manifest | None:
    """The condition of this type, or None."""
    for found in obj.get("status", {}).get("conditions") or ():
        if found["type"] == kind:
            result: Manifest = found
            return result
    return None


def is_true(obj: Manifest, kind: str) -> bool:
    """Whether the condition of this type is there and True."""
    found = condition(obj, kind)
    return found is not None and found["status"] == "True"


def is_ready(pod: Manifest) -> bool:
    return is_true(pod, "Ready")


def is_terminating(obj: Manifest) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def is_finished(pod: Manifest) -> bool:
    """Whether no container of the Pod will run again."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def is_active(pod: Manifest) -> bool:
    """Whether the Pod counts for its ReplicaSet."""
    return not is_finished(pod) and not is_terminating(pod)


def unix(timestamp: str) -> float:
    """The Unix seconds of an RFC 3339 time stamp in UTC, fractions included."""
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return timegm(strptime(whole, "%Y-%m-%dT%H:%M:%S")) + (float(f"0.{fraction}") if fraction else 0.0)


def ready_since(pod: Manifest) -> float | None:
    """Since when (Unix seconds) the Pod is Ready, or None when it isn't."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    return unix(found["lastTransitionTime"])


def seconds_until_available(pod: Manifest, min_ready_seconds: int, now: float) -> float | None:
    """0 when the Pod is available, else the seconds until it is if it stays Ready; None when not Ready."""
    if not min_ready_seconds:
        return 0.0 if is_ready(pod) else None
    since = ready_since(pod)
    return None if since is None else max(0.0, since + min_ready_seconds - now)
