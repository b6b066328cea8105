"""Counting the Pods of a Job exactly once: noted by uid, let go of, then counted (KEP 2307).

A Pod is held by a finalizer until its uid is in the Job's status, so that neither its removal nor a restart
of the controller between two steps loses it or counts it twice.
"""

from __future__ import annotations

from typing import Any

from dockyard.cluster.api import Api
from dockyard.cluster.jobs import conditions, failures, indexes
from dockyard.cluster.jobs.look import Look
from dockyard.cluster.jobs.manage import COMPONENT
from dockyard.cluster.jobs.pods import TRACKING, is_tracked
from dockyard.cluster.podstate import is_terminating

Manifest = dict[str, Any]


def track(api: Api, look: Look) -> None:
    """Write what has become of the Job, count the Pods that are over, and finish it when nothing is left."""
    job, status = look.job, look.status
    _count_running(look)
    target = conditions.met({"status": status}, *conditions.OUTCOMES)
    over = _note(look, finishing=target is not None)
    _write(api, look)
    for pod in over:
        release(api, pod)
    for key, uids in look.uncounted.items():
        if uids and not (look.indexed and key == "succeeded"):
            status[key] = status.get(key, 0) + len(uids)
        uids.clear()
    outcome = None
    if target is not None and not look.active and look.terminating == 0:
        outcome = conditions.OUTCOMES[target["type"]]
        done = conditions.new(outcome, "True", target["reason"], target["message"], api.now())
        status["conditions"] = [*status["conditions"], done]
        if outcome == "Complete":
            status["completionTime"] = api.now()
    _write(api, look)
    if outcome == "Complete":
        api.record_event(job, "Normal", "Completed", "Job completed", component=COMPONENT)
    elif outcome is not None and target is not None:
        api.record_event(job, "Warning", target["reason"], target["message"], component=COMPONENT)


def _count_running(look: Look) -> None:
    status = look.status
    status.pop("active", None)
    if look.active:
        status["active"] = len(look.active)
    status["terminating"] = look.terminating
    status["ready"] = look.ready
    if look.indexed and look.completed:
        status["succeeded"] = len(look.completed)
        status["completedIndexes"] = indexes.text_of(look.completed)
    if look.by_index:
        status["failedIndexes"] = indexes.text_of(look.failed_indexes)


def _note(look: Look, *, finishing: bool) -> list[Manifest]:
    """Note the uids of the Pods that are over, and return these Pods."""
    noted = {uid for uids in look.uncounted.values() for uid in uids}
    kept = {id(pod) for pod in look.to_replace.values()}
    if finishing or is_terminating(look.job):
        kept = set()
    over = []
    for pod in look.pods:
        uid = pod["metadata"]["uid"]
        if not is_tracked(pod) or id(pod) in kept:
            continue
        if uid in noted:
            over.append(pod)
        elif pod["status"].get("phase") == "Succeeded":
            over.append(pod)
            if not look.indexed:
                look.uncounted["succeeded"].append(uid)
        elif failures.is_failed(look.job, pod) or finishing:
            over.append(pod)
            counts = not look.indexed or look.index_of(pod) is not None
            if counts and failures.judge(look.job, pod).action != "Ignore":
                look.uncounted["failed"].append(uid)
    return over


def _write(api: Api, look: Look) -> None:
    noted = {key: list(uids) for key, uids in look.uncounted.items() if uids}
    status = look.status | {"uncountedTerminatedPods": noted}
    if status != look.job.get("status"):
        look.job = api.update_status("Job", look.job | {"status": status})


def release(api: Api, pod: Manifest) -> None:
    """Let go of a Pod that is counted, or that no Job will count."""
    metadata = pod["metadata"]
    fresh = api.find("Pod", metadata["name"], metadata["namespace"])
    if fresh is None or fresh["metadata"]["uid"] != metadata["uid"] or not is_tracked(fresh):
        return
    kept = [finalizer for finalizer in fresh["metadata"]["finalizers"] if finalizer != TRACKING]
    fresh["metadata"]["finalizers"] = kept
    api.update("Pod", fresh)
