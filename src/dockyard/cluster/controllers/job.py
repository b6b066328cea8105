"""Job: runs Pods until enough have succeeded or too many have failed, and counts each exactly once."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.jobs import conditions
from dockyard.cluster.jobs.look import Look
from dockyard.cluster.jobs.manage import COMPONENT, Refused, manage, remove
from dockyard.cluster.jobs.pods import JOB_NAME, is_tracked
from dockyard.cluster.jobs.tracking import release, track
from dockyard.cluster.manager import Controller, Key, key_of
from dockyard.cluster.owners import claim, controller_of, controllers_named_by
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.store import Event, Manifest

# Upstream collects the changes of Pods for this long, which is why a Job learns of them a second later.
BATCH_SECONDS = 1.0
# After Pods were refused, doubling.
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0


def controller(api: Api) -> Controller:
    return JobController(api)


class JobController:
    """Keeps only times: losing them costs a look too early."""

    name = "job"

    def __init__(self, api: Api) -> None:
        self._api = api
        self._due: dict[Key, float] = {}
        self._refusals: dict[Key, int] = {}

    def existing(self) -> Iterable[Key]:
        keys = {key_of(job) for job in self._api.list("Job")}
        for pod in self._api.list("Pod"):
            keys.update(_jobs_of(pod))
        return sorted(keys)

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind == "Job":
            key = Key(event.namespace, event.name)
            self._wake(key, 0.0 if _is_urgent(event) else BATCH_SECONDS)
            return (key,)
        if event.kind != "Pod":
            return ()
        named = {Key(event.namespace, name) for name in controllers_named_by(event, "Job")}
        named.update(_jobs_of(event.object))
        for key in named:
            self._wake(key, BATCH_SECONDS)
        return named

    def _wake(self, key: Key, delay: float) -> None:
        due = self._api.clock.monotonic() + delay
        self._due[key] = min(due, self._due.get(key, due))

    def reconcile(self, key: Key) -> float | None:
        """Bring the Job nearer to its end, unless it is too early to look."""
        wait = self._due.get(key, 0.0) - self._api.clock.monotonic()
        if wait > 0.001:
            return wait
        self._due.pop(key, None)
        job = self._api.find("Job", key.name, key.namespace)
        self._release_strangers(key, job)
        if job is None or conditions.finished(job) is not None:
            self._refusals.pop(key, None)
            return None
        try:
            again = sync(self._api, job)
        except Refused:
            count = self._refusals[key] = self._refusals.get(key, 0) + 1
            return min(FIRST_RETRY_SECONDS * 2.0 ** (count - 1), LONGEST_RETRY_SECONDS)
        self._refusals.pop(key, None)
        return again

    def _release_strangers(self, key: Key, job: Manifest | None) -> None:
        """Let go of Pods that no Job will count: theirs is gone or over, or they are nobody's."""
        for pod in self._api.list("Pod", key.namespace, labels={JOB_NAME: key.name}):
            if not is_tracked(pod):
                continue
            owner = controller_of(pod)
            is_counted = owner is not None and job is not None and owner["uid"] == job["metadata"]["uid"]
            if not is_counted or (job is not None and conditions.finished(job) is not None):
                release(self._api, pod)


def sync(api: Api, job: Manifest) -> float | None:
    """One look at an unfinished Job; in how many seconds to look again, if at all. Raises Refused."""
    look = Look(job, claim(api, job, "Pod"), api.clock.now())
    if "startTime" not in look.status and not conditions.is_suspended(job):
        look.status["startTime"] = api.now()
    again: float | None = None
    refused: Refused | None = None
    target = conditions.met({"status": look.status}, *conditions.OUTCOMES)
    failure = None if target is not None else look.why_failed()
    met = None if target is not None or failure is not None else look.success_rule()
    if failure is not None:
        _aim(api, look, "FailureTarget", failure)
    elif met is not None:
        _aim(api, look, "SuccessCriteriaMet", (conditions.SUCCESS_POLICY, f"Matched rules at index {met}"))
    if failure is not None or met is not None or target is not None:
        remove(api, look, list(look.active))
    elif not is_terminating(job):
        try:
            again = manage(api, look)
        except Refused as error:
            refused = error
        if look.is_complete():
            _aim(api, look, "SuccessCriteriaMet", conditions.COMPLETIONS)
            remove(api, look, list(look.active))
        else:
            _note_suspension(api, look)
        left = look.deadline()
        if left is not None:
            again = left if again is None else min(again, left)
    track(api, look)
    if refused is not None:
        raise refused
    return again


def _aim(api: Api, look: Look, kind: str, why: tuple[str, str]) -> None:
    kept = look.status.get("conditions", [])
    look.status["conditions"] = [*kept, conditions.new(kind, "True", *why, api.now())]


def _note_suspension(api: Api, look: Look) -> None:
    before = next((c for c in look.status.get("conditions", ()) if c["type"] == "Suspended"), None)
    suspended = conditions.is_suspended(look.job)
    if (before is None and not suspended) or (
        before is not None and (before["status"] == "True") == suspended
    ):
        return
    reason, message = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
    fresh = conditions.new("Suspended", "True" if suspended else "False", reason, message, api.now())
    if before is None:
        look.status["conditions"] = [*look.status.get("conditions", ()), fresh]
    else:
        look.status["conditions"] = [fresh if c is before else c for c in look.status["conditions"]]
    if not suspended:
        look.status["startTime"] = api.now()  # the deadline begins anew
    api.record_event(look.job, "Normal", reason.removeprefix("Job"), message, component=COMPONENT)


def _is_urgent(event: Event) -> bool:
    if event.type != "MODIFIED" or event.old is None:
        return True
    old, new = event.old["metadata"], event.object["metadata"]
    leaves = "deletionTimestamp" in new and "deletionTimestamp" not in old
    return leaves or old["generation"] != new["generation"]


def _jobs_of(pod: Manifest) -> Iterable[Key]:
    """The Job that a Pod still to be counted was made for, also when nothing controls it any more."""
    name = pod["metadata"].get("labels", {}).get(JOB_NAME)
    return (Key(pod["metadata"]["namespace"], name),) if name and is_tracked(pod) else ()
