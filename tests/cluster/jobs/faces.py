"""Jobs and CronJobs, recorded and ours, brought to the form in which they can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Manifest = dict[str, Any]


def job_face(status: Manifest) -> Manifest:
    """A Job's status without times; `ready` is left out, since when it is noticed depends on the moment."""
    uncounted = status.get("uncountedTerminatedPods") or {}
    face: Manifest = {
        key: status[key]
        for key in ("active", "succeeded", "failed", "terminating", "completedIndexes", "failedIndexes")
        if key in status
    }
    face["uncounted"] = {key: len(uids) for key, uids in sorted(uncounted.items())}
    face["times"] = [key for key in ("startTime", "completionTime") if key in status]
    face["conditions"] = [
        [c["type"], c["status"], c["reason"], told(c["message"])] for c in status.get("conditions", ())
    ]
    return face


def cronjob_face(status: Manifest) -> Manifest:
    """A CronJob's status without times, its Jobs by number."""
    return {key: len(value) if isinstance(value, list) else "set" for key, value in sorted(status.items())}


def sequence(faces: Iterable[Manifest]) -> list[Manifest]:
    """Each face once as long as it lasts."""
    found: list[Manifest] = []
    for face in faces:
        if not found or found[-1] != face:
            found.append(face)
    return found


def told(message: str) -> str:
    """A message with the names of Pods, of namespaces and of a CronJob's Jobs made the same."""
    message = re.sub(r"pod [a-z-]+/", "pod NAMESPACE/", message)
    message = re.sub(r"-(<r\w+>|[bcdfghjklmnpqrstvwxz2-9]{5})(?=\W|$)", "-*", message)
    return re.sub(r"-\d{8}\b", "-MINUTE", message)
