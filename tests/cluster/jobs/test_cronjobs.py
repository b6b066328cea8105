"""CronJobs: what they do beyond the recorded scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness import FakeCluster
from tests.cluster.jobs.work import job, working_cluster

Manifest = dict[str, Any]


def cronjob(script: str = "true", schedule: str = "* * * * *", **spec: Any) -> Manifest:
    template = {"spec": job("x", script)["spec"]}
    metadata = {"name": "tick", "namespace": "default"}
    return {"metadata": metadata, "spec": {"schedule": schedule, "jobTemplate": template, **spec}}


async def ticking(root: Path, **fields: Any) -> FakeCluster:
    cluster = await working_cluster(root)
    cluster.api.create("CronJob", cronjob(**fields))
    await cluster.settle()
    return cluster


def jobs(cluster: FakeCluster) -> list[str]:
    return [found["metadata"]["name"] for found in cluster.api.list("Job", "default")]


def reasons(cluster: FakeCluster) -> list[str]:
    return [reason for reason, _ in cluster.events("tick")]


async def test_old_jobs_are_cleared_away(tmp_path: Path) -> None:
    cluster = await ticking(tmp_path, successfulJobsHistoryLimit=2)
    await cluster.advance(6 * 60)
    assert len(jobs(cluster)) in (2, 3)  # two that are over, and perhaps one that runs
    assert "SuccessfulDelete" in reasons(cluster)
    await cluster.stop()


@pytest.mark.parametrize(
    ("policy", "running", "told"),
    [("Allow", 3, "SuccessfulCreate"), ("Forbid", 1, "JobAlreadyActive"), ("Replace", 1, "SuccessfulDelete")],
)
async def test_what_happens_while_the_last_job_runs(
    policy: str, running: int, told: str, tmp_path: Path
) -> None:
    cluster = await ticking(tmp_path, script="sleep 1000", concurrencyPolicy=policy)
    await cluster.advance(3 * 60 + 20)
    assert len(jobs(cluster)) == running
    assert told in reasons(cluster)
    assert len(cluster.api.get("CronJob", "tick", "default")["status"]["active"]) == running
    await cluster.stop()


async def test_a_suspended_cronjob_makes_no_job_until_it_is_resumed(tmp_path: Path) -> None:
    cluster = await ticking(tmp_path, suspend=True)
    await cluster.advance(150)
    assert jobs(cluster) == []
    cluster.api.patch("CronJob", "tick", {"spec": {"suspend": False}}, "merge", namespace="default")
    await cluster.advance(1)
    assert len(jobs(cluster)) == 1  # what was missed, once
    await cluster.stop()


async def test_what_is_missed_for_longer_than_the_deadline_is_left_out(tmp_path: Path) -> None:
    cluster = await ticking(tmp_path, schedule="0 * * * *", startingDeadlineSeconds=30, suspend=True)
    await cluster.advance(3600 + 45)
    cluster.api.patch("CronJob", "tick", {"spec": {"suspend": False}}, "merge", namespace="default")
    await cluster.advance(5)
    assert jobs(cluster) == []
    await cluster.stop()


async def test_a_deleted_cronjob_takes_its_jobs_along(tmp_path: Path) -> None:
    cluster = await ticking(tmp_path)
    await cluster.advance(130)
    assert len(jobs(cluster)) == 2
    cluster.api.delete("CronJob", "tick", "default", propagation_policy="Background")
    await cluster.advance(5)
    assert jobs(cluster) == []
    assert cluster.pods() == []
    await cluster.stop()
