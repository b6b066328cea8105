"""Failures: which Pods of a Job count as failed, what its policy makes of them, and how long to wait then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from dockyard.cluster.podstate import condition, is_terminating, unix

Manifest = dict[str, Any]

FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 600.0


def replaces_only_failed(job: Manifest) -> bool:
    """Whether a Pod that is being deleted is waited for, and not replaced at once."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy") is not None


def is_failed(job: Manifest, pod: Manifest) -> bool:
    """Whether the Pod counts as failed; one that is being deleted does, unless the Job waits for it."""
    phase = pod["status"].get("phase")
    if phase in ("Failed", "Succeeded") or replaces_only_failed(job):
        return bool(phase == "Failed")
    return is_terminating(pod)


class Verdict(NamedTuple):
    """What a rule of the podFailurePolicy says of a failed Pod: Count, Ignore, FailIndex or FailJob."""

    action: str = "Count"
    message: str = ""


def judge(job: Manifest, pod: Manifest) -> Verdict:
    """The verdict of the first rule that matches."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    if pod["status"].get("phase") != "Failed":
        return Verdict()
    where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for index, rule in enumerate(rules):
        action = rule["action"]
        suffix = f"matching {action} rule at index {index}"
        codes = rule.get("onExitCodes")
        if codes is not None and (hit := _exit(codes, pod)) is not None:
            name, code = hit
            return Verdict(action, f"Container {name} for pod {where} failed with exit code {code} {suffix}")
        for pattern in rule.get("onPodConditions") or ():
            found = condition(pod, pattern["type"])
            if found is not None and found["status"] == pattern.get("status", "True"):
                return Verdict(action, f"Pod {where} has condition {pattern['type']} {suffix}")
    return Verdict()


def _exit(rule: Manifest, pod: Manifest) -> tuple[str, int] | None:
    for status in _statuses(pod):
        ended = status["state"].get("terminated")
        if ended is None or rule.get("containerName") not in (None, status["name"]):
            continue
        code = ended["exitCode"]
        if code != 0 and (code in rule["values"]) == (rule["operator"] == "In"):
            return status["name"], code
    return None


def _statuses(pod: Manifest) -> list[Manifest]:
    status = pod["status"]
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def restarts(pods: Iterable[Manifest]) -> int:
    """How often containers of these Pods were started again: how `restartPolicy: OnFailure` fails."""
    return sum(
        status.get("restartCount", 0)
        for pod in pods
        if pod["status"].get("phase") in ("Running", "Pending")
        for status in _statuses(pod)
    )


def finished_at(pod: Manifest) -> float:
    """When (Unix seconds, whole) the Pod ended; as near as its status says it."""
    ends = [(status["state"].get("terminated") or {}).get("finishedAt") for status in _statuses(pod)]
    known = [unix(end) for end in ends if end]
    if ends and len(known) == len(ends):
        return max(known)
    metadata = pod["metadata"]
    if is_terminating(pod):
        return unix(metadata["deletionTimestamp"]) - float(metadata.get("deletionGracePeriodSeconds", 0))
    ready = condition(pod, "Ready")
    return unix(ready["lastTransitionTime"] if ready is not None else metadata["creationTimestamp"])


def backoff(job: Manifest, pods: Iterable[Manifest], now: float) -> float:
    """Seconds until the next Pod: 10, 20, 40, ... after the last failure, since the last success.

    Differs: this goes by the Pods that are there, so a failure whose Pod was removed is forgotten.
    """
    over = [pod for pod in pods if pod["status"].get("phase") == "Succeeded" or is_failed(job, pod)]
    failures, last = 0, 0.0
    for pod in sorted(over, key=finished_at):
        failures = 0 if pod["status"].get("phase") == "Succeeded" else failures + 1
        last = finished_at(pod)
    if not failures:
        return 0.0
    return max(0.0, last + delay_after(failures) - now)


def delay_after(failures: int) -> float:
    """The back-off after so many failures in a row, in seconds."""
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 30), LONGEST_BACKOFF_SECONDS)
