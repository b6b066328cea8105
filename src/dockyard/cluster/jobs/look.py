"""One look at a Job: its Pods sorted by what they are to it."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.jobs import conditions, failures, indexes
from dockyard.cluster.jobs.pods import is_tracked
from dockyard.cluster.podstate import is_active, is_finished, is_ready, is_terminating, unix

Manifest = dict[str, Any]


class Look:
    """What is there, counted before anything is done about it; `active` follows what is done."""

    def __init__(self, job: Manifest, pods: list[Manifest], now: float) -> None:
        self.job = job
        self.pods = pods
        self.now = now
        self.indexed = indexes.is_indexed(job)
        self.by_index = self.indexed and indexes.counts_by_index(job)
        self.completions: int | None = job["spec"].get("completions")
        self.active = [pod for pod in pods if is_active(pod)]
        self.terminating = sum(1 for pod in pods if is_terminating(pod) and not is_finished(pod))
        self.status: Manifest = {**job.get("status", {})}
        uncounted = self.status.get("uncountedTerminatedPods") or {}
        self.uncounted = {key: list(uncounted.get(key) or ()) for key in ("succeeded", "failed")}
        noted = {uid for uids in self.uncounted.values() for uid in uids}
        fresh = [pod for pod in pods if is_tracked(pod) and pod["metadata"]["uid"] not in noted]
        self.newly_failed = [
            pod
            for pod in fresh
            if failures.is_failed(job, pod) and failures.judge(job, pod).action != "Ignore"
        ]
        self.newly_succeeded = [pod for pod in fresh if pod["status"].get("phase") == "Succeeded"]
        self.completed = indexes.parse(self.status.get("completedIndexes"))
        if self.indexed:
            self.completed |= {
                index for pod in self.newly_succeeded if (index := self.index_of(pod)) is not None
            }
        self.failed_indexes = self._failed_indexes()
        self.to_replace = self._last_failures()

    def index_of(self, pod: Manifest) -> int | None:
        return indexes.index_of(pod, self.completions or 0)

    @property
    def succeeded(self) -> int:
        """Pods, or indexes, that have succeeded, counted or not."""
        if self.indexed:
            return len(self.completed)
        noted = self.status.get("succeeded", 0) + len(self.uncounted["succeeded"])
        return int(noted) + len(self.newly_succeeded)

    @property
    def failed(self) -> int:
        noted = self.status.get("failed", 0) + len(self.uncounted["failed"])
        return int(noted) + len(self.newly_failed)

    @property
    def ready(self) -> int:
        return sum(1 for pod in self.active if is_ready(pod))

    def _failed_indexes(self) -> set[int]:
        if not self.by_index:
            return set()
        found = indexes.parse(self.status.get("failedIndexes"))
        limit = self.job["spec"]["backoffLimitPerIndex"]
        for pod in self.pods:
            index = self.index_of(pod)
            if index is None or not failures.is_failed(self.job, pod):
                continue
            action = failures.judge(self.job, pod).action
            if action == "FailIndex" or (action != "Ignore" and indexes.failures_before(pod) >= limit):
                found.add(index)
        return found - self.completed

    def _last_failures(self) -> dict[int, Manifest]:
        """The last failed Pod of each index that is to be tried again; it is kept until it is replaced."""
        found: dict[int, Manifest] = {}
        if not self.by_index:
            return found
        busy = {self.index_of(pod) for pod in self.active}
        for pod in self.pods:
            index = self.index_of(pod)
            if index is None or not is_tracked(pod) or not failures.is_failed(self.job, pod):
                continue
            if index in busy or index in self.failed_indexes or index in self.completed:
                continue
            if index not in found or self.failures_after(pod) >= self.failures_after(found[index]):
                found[index] = pod
        return found

    def failures_after(self, pod: Manifest) -> int:
        """How often the index of a failed Pod has failed with it."""
        ignored = failures.judge(self.job, pod).action == "Ignore"
        return indexes.failures_before(pod) + (0 if ignored else 1)

    def pending_indexes(self) -> list[int]:
        """The indexes that nobody works at and that are not done, lowest first."""
        taken = {self.index_of(pod) for pod in self.active} | self.completed | self.failed_indexes
        if failures.replaces_only_failed(self.job):
            taken |= {self.index_of(pod) for pod in self.pods if is_terminating(pod) and not is_finished(pod)}
        return [index for index in range(self.completions or 0) if index not in taken]

    def why_failed(self) -> tuple[str, str] | None:
        """(reason, message) when the Job has failed, whatever else its Pods may still do."""
        spec = self.job["spec"]
        for pod in self.pods:
            verdict = failures.judge(self.job, pod)
            if verdict.action == "FailJob":
                return "PodFailurePolicy", verdict.message
        limit = spec["backoffLimit"]
        if self.newly_failed and self.failed > limit:
            return conditions.BACKOFF_LIMIT
        if spec["template"]["spec"]["restartPolicy"] == "OnFailure":
            count = failures.restarts(self.pods)
            if count > 0 if limit == 0 else count >= limit:
                return conditions.BACKOFF_LIMIT
        left = self.deadline()
        if left is not None and left <= 0:
            return conditions.DEADLINE
        if self.by_index and self.failed_indexes:
            most = spec.get("maxFailedIndexes")
            if most is not None and len(self.failed_indexes) > most:
                return conditions.MAX_FAILED_INDEXES
            if len(self.failed_indexes) + len(self.completed) >= (self.completions or 0):
                return conditions.FAILED_INDEXES
        return None

    def deadline(self) -> float | None:
        """Seconds until `activeDeadlineSeconds` are over; None without any, and while suspended."""
        seconds, start = self.job["spec"].get("activeDeadlineSeconds"), self.status.get("startTime")
        if seconds is None or start is None or conditions.is_suspended(self.job):
            return None
        return unix(start) + float(seconds) - self.now

    def success_rule(self) -> int | None:
        """Which rule of the successPolicy is met: all or so many of some indexes have succeeded."""
        rules = (self.job["spec"].get("successPolicy") or {}).get("rules") or ()
        for number, rule in enumerate(rules):
            named, count = rule.get("succeededIndexes"), rule.get("succeededCount")
            wanted = indexes.parse(named) if named is not None else self.completed
            succeeded = len(wanted & self.completed)
            if succeeded >= (count if count is not None else len(wanted)):
                return number
        return None

    def is_complete(self) -> bool:
        """Whether all succeeded that had to; without `completions` one success and no active Pod do."""
        if self.completions is None:
            return self.succeeded > 0 and not self.active
        return self.succeeded >= self.completions
