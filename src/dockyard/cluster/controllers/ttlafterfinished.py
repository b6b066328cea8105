"""TTL after finished: deletes Jobs some time after their end, as they ask for."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.jobs import conditions
from dockyard.cluster.manager import Controller, KindController
from dockyard.cluster.podstate import is_terminating, unix
from dockyard.cluster.store import Manifest


def controller(api: Api) -> Controller:
    return KindController(api, "ttlafterfinished", "Job", reconcile)


def reconcile(api: Api, job: Manifest) -> float | None:
    """Delete the Job with its Pods when its time is over; else say how long that takes."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    ended = conditions.finished(job)
    if seconds is None or ended is None or is_terminating(job):
        return None
    left = unix(ended["lastTransitionTime"]) + float(seconds) - api.clock.now()
    if left > 0:
        return left
    metadata = job["metadata"]
    api.delete(
        "Job",
        metadata["name"],
        metadata["namespace"],
        propagation_policy="Foreground",
        preconditions={"uid": metadata["uid"]},
    )
    return None
