"""CronJob: makes a Job whenever the schedule says so, and clears away the old ones."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfoNotFoundError

from dockyard.cluster.api import Api
from dockyard.cluster.cronjobs.due import TOO_MANY, due, stamp, zone_of
from dockyard.cluster.errors import AlreadyExists, ApiError, NotFound
from dockyard.cluster.jobs.conditions import finished
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.owners import controller_reference, controllers_named_by, is_controlled_by
from dockyard.cluster.podstate import is_terminating, unix
from dockyard.cluster.store import Event, Manifest
from dockyard.wire.clock import rfc3339

COMPONENT = "cronjob-controller"
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
# Upstream looks this long after the time, lest its clock be a little behind.
DELTA_SECONDS = 0.1


def controller(api: Api) -> Controller:
    def owners(event: Event) -> Iterable[Key]:
        return [Key(event.namespace, name) for name in controllers_named_by(event, "CronJob")]

    return KindController(api, "cronjob", "CronJob", reconcile, triggers={"Job": owners})


def reconcile(api: Api, cronjob: Manifest) -> float | None:
    """Take note of the Jobs, start the one that is due, delete old ones; seconds until the next time."""
    namespace = cronjob["metadata"]["namespace"]
    jobs = [job for job in api.list("Job", namespace) if is_controlled_by(job, cronjob)]
    status = copy.deepcopy(cronjob.get("status") or {})
    _follow(api, cronjob, jobs, status)
    cronjob = _write(api, cronjob, status)
    again: float | None = None
    if not is_terminating(cronjob) and not cronjob["spec"].get("suspend"):
        again = _start(api, cronjob, status)
        _write(api, cronjob, status)
    _clear(api, cronjob, jobs)
    return again


def _tell(api: Api, cronjob: Manifest, reason: str, message: str, kind: str = "Normal") -> None:
    api.record_event(cronjob, kind, reason, message, component=COMPONENT)


def _write(api: Api, cronjob: Manifest, status: Manifest) -> Manifest:
    if not status.get("active"):
        status.pop("active", None)
    if status == (cronjob.get("status") or {}):
        return cronjob
    return api.update_status("CronJob", cronjob | {"status": copy.deepcopy(status)})


def _follow(api: Api, cronjob: Manifest, jobs: list[Manifest], status: Manifest) -> None:
    """Bring the list of active Jobs and the last success up to date with what the Jobs say."""
    active: list[Manifest] = status.get("active", [])
    known = {reference["uid"] for reference in active}
    for job in jobs:
        metadata, outcome = job["metadata"], finished(job)
        if outcome is None:
            if metadata["uid"] not in known:
                message = f"Saw a job that the controller did not create or forgot: {metadata['name']}"
                _tell(api, cronjob, "UnexpectedJob", message, "Warning")
            continue
        if metadata["uid"] in known:
            active = [reference for reference in active if reference["uid"] != metadata["uid"]]
            message = f"Saw completed job: {metadata['name']}, condition: {outcome['type']}"
            _tell(api, cronjob, "SawCompletedJob", message)
        completed = job["status"].get("completionTime")
        if completed and completed > status.get("lastSuccessfulTime", ""):
            status["lastSuccessfulTime"] = completed
    there = {job["metadata"]["uid"] for job in jobs}
    for reference in [reference for reference in active if reference["uid"] not in there]:
        active = [other for other in active if other is not reference]
        _tell(api, cronjob, "MissingJob", f"Active job went missing: {reference['name']}")
    status["active"] = active


def _start(api: Api, cronjob: Manifest, status: Manifest) -> float | None:
    """Make the Job that is due, if there is one and nothing speaks against it."""
    spec, now = cronjob["spec"], api.clock.now()
    try:
        found = due(cronjob, now)
    except ZoneInfoNotFoundError:
        name = spec["timeZone"]
        _tell(
            api,
            cronjob,
            "UnknownTimeZone",
            f'invalid timeZone: "{name}": unknown time zone {name}',
            "Warning",
        )
        return None
    except ValueError as problem:
        _tell(api, cronjob, "UnparseableSchedule", f"unparseable schedule: {problem}", "Warning")
        return None
    again = None if found.next is None else found.next - now + DELTA_SECONDS
    if found.missed > TOO_MANY:
        message = (
            f"too many missed start times: {found.missed}. Set or decrease .spec.startingDeadlineSeconds or "
            "check clock skew"
        )
        _tell(api, cronjob, "TooManyMissedTimes", message, "Warning")
    if found.last is None or rfc3339(found.last) == status.get("lastScheduleTime"):
        return again
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and found.last + float(deadline) < now:
        when = datetime.fromtimestamp(found.last, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        _tell(api, cronjob, "MissSchedule", f"Missed scheduled time to start a job: {when}", "Warning")
        return again
    if status.get("active") and not _make_room(api, cronjob, status):
        return again
    _create(api, cronjob, status, found.last)
    return again


def _make_room(api: Api, cronjob: Manifest, status: Manifest) -> bool:
    """Whether a Job may start beside those that run; with the policy Replace they have to go."""
    policy = cronjob["spec"]["concurrencyPolicy"]
    if policy == "Forbid":
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        _tell(api, cronjob, "JobAlreadyActive", message)
        return False
    if policy == "Replace":
        for reference in status["active"]:
            _delete(api, cronjob, reference["name"])
        status["active"] = []
    return True


def _create(api: Api, cronjob: Manifest, status: Manifest, moment: float) -> None:
    template, metadata = cronjob["spec"]["jobTemplate"], cronjob["metadata"]
    name = f"{metadata['name']}-{int(moment) // 60}"
    annotations = dict(template["metadata"].get("annotations") or {})
    annotations[SCHEDULED] = stamp(moment, zone_of(cronjob))
    job: Manifest = {
        "metadata": {
            "name": name,
            "labels": dict(template["metadata"].get("labels") or {}),
            "annotations": annotations,
            "ownerReferences": [controller_reference(cronjob)],
        },
        "spec": copy.deepcopy(template["spec"]),
    }
    try:
        made = api.create("Job", job, namespace=metadata["namespace"])
    except AlreadyExists:
        made = api.get("Job", name, metadata["namespace"])
        if not is_controlled_by(made, cronjob):
            raise
    except ApiError as error:
        if "being terminated" not in error.message:
            _tell(api, cronjob, "FailedCreate", f"Error creating job: {error.message}", "Warning")
            raise
        return
    _tell(api, cronjob, "SuccessfulCreate", f"Created job {name}")
    reference = {
        "kind": "Job",
        "namespace": metadata["namespace"],
        "name": name,
        "uid": made["metadata"]["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": made["metadata"]["resourceVersion"],
    }
    status["active"] = [*status.get("active", ()), reference]
    status["lastScheduleTime"] = rfc3339(moment)


def _clear(api: Api, cronjob: Manifest, jobs: list[Manifest]) -> None:
    """Delete finished Jobs beyond the limits of the history, the oldest first."""
    for outcome, limit in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        keep = cronjob["spec"].get(limit)
        if keep is None:
            continue
        over = [
            job for job in jobs if (finished(job) or {}).get("type") == outcome and not is_terminating(job)
        ]
        over.sort(
            key=lambda job: unix(job["status"].get("startTime") or job["metadata"]["creationTimestamp"])
        )
        for job in over[: max(0, len(over) - keep)]:
            _delete(api, cronjob, job["metadata"]["name"])


def _delete(api: Api, cronjob: Manifest, name: str) -> None:
    try:
        api.delete("Job", name, cronjob["metadata"]["namespace"], propagation_policy="Background")
    except NotFound:
        return
    _tell(api, cronjob, "SuccessfulDelete", f"Deleted job {name}")
