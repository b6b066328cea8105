"""Conditions of a Job: what it aims at first, and what it has come to."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

# The outcome that is decided, while Pods still end; then the same for good.
OUTCOMES = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}

BACKOFF_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")
FAILED_INDEXES = ("FailedIndexes", "Job has failed indexes")
MAX_FAILED_INDEXES = (
    "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
)
SUCCESS_POLICY = "SuccessPolicy"
COMPLETIONS = ("CompletionsReached", "Reached expected number of succeeded pods")


def new(kind: str, status: str, reason: str, message: str, now: str) -> Manifest:
    """A condition that changed just now."""
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def met(job: Manifest, *kinds: str) -> Manifest | None:
    """The first condition of these types that is True."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in kinds and condition["status"] == "True":
            found: Manifest = condition
            return found
    return None


def finished(job: Manifest) -> Manifest | None:
    """The condition Complete or Failed of a Job that is over, or None."""
    return met(job, *OUTCOMES.values())


def is_suspended(job: Manifest) -> bool:
    return bool(job["spec"].get("suspend"))
