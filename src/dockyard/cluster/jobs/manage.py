"""Making and deleting the Pods of a Job, so that as many work at it as it wants."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError
from dockyard.cluster.jobs import conditions, failures
from dockyard.cluster.jobs.look import Look
from dockyard.cluster.jobs.pods import pod_of, removal_order

Manifest = dict[str, Any]

COMPONENT = "job-controller"
BURST = 500


class Refused(Exception):
    """A Pod could not be created; some may have been before."""


def manage(api: Api, look: Look) -> float | None:
    """Delete what is too much, create what is missing; in how many seconds to look again, if at all.

    Raises Refused.
    """
    job = look.job
    if conditions.is_suspended(job):
        remove(api, look, removal_order(look.active))
        return None
    wanted = _wanted(look)
    surplus = len(look.active) - wanted
    if surplus > 0:
        remove(api, look, removal_order(look.active)[: min(surplus, BURST)])
        return None
    waiting = look.terminating if failures.replaces_only_failed(job) else 0
    missing = min(wanted - waiting - len(look.active), BURST)
    if missing <= 0:
        return None
    if look.by_index:
        return _retry_indexes(api, look, missing)
    wait = failures.backoff(job, look.pods, look.now)
    if wait > 0:
        return wait
    if look.indexed:
        _create(api, look, [pod_of(job, index) for index in look.pending_indexes()[:missing]])
    else:
        _create(api, look, [pod_of(job) for _ in range(missing)])
    return None


def _wanted(look: Look) -> int:
    parallelism = int(look.job["spec"].get("parallelism", 1))
    if look.completions is None:
        return len(look.active) if look.succeeded else parallelism
    return max(0, min(parallelism, look.completions - look.succeeded))


def _retry_indexes(api: Api, look: Look, missing: int) -> float | None:
    """Each index has its own back-off, counted from its own last failure."""
    last = look.to_replace
    pods, waits = [], []
    for index in look.pending_indexes():
        count = look.failures_after(last[index]) if index in last else 0
        if count:
            end = failures.finished_at(last[index]) + failures.delay_after(count)
            if end > look.now:
                waits.append(end - look.now)
                continue
        pods.append(pod_of(look.job, index, count))
    _create(api, look, pods[:missing])
    return min(waits) if waits else None


def _create(api: Api, look: Look, pods: list[Manifest]) -> None:
    job = look.job
    for pod in pods:
        try:
            made = api.create("Pod", pod, namespace=job["metadata"]["namespace"])
        except ApiError as error:
            if "being terminated" in error.message:
                return  # the namespace goes, and this Job with it
            message = f"Error creating: {error.message}"
            api.record_event(job, "Warning", "FailedCreate", message, component=COMPONENT)
            raise Refused(error.message) from error
        look.active.append(made)
        name = made["metadata"]["name"]
        api.record_event(job, "Normal", "SuccessfulCreate", f"Created pod: {name}", component=COMPONENT)


def remove(api: Api, look: Look, pods: list[Manifest]) -> None:
    """Delete active Pods; they count as terminating from now on."""
    for pod in pods:
        name = pod["metadata"]["name"]
        api.delete("Pod", name, pod["metadata"]["namespace"])
        message = f"Deleted pod: {name}"
        api.record_event(look.job, "Normal", "SuccessfulDelete", message, component=COMPONENT)
        look.active.remove(pod)
        look.terminating += 1
