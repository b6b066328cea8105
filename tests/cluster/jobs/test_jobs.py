"""Jobs: what they do beyond the recorded scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.cluster.jobs.indexes import parse, text_of
from tests.cluster.jobs.work import job, outcome, pods_of, status_of, working_cluster


@pytest.mark.parametrize(
    ("text", "indexes"),
    [("", set()), ("3", {3}), ("0,1", {0, 1}), ("0-3,7", {0, 1, 2, 3, 7}), ("0,2-4,6,7", {0, 2, 3, 4, 6, 7})],
)
def test_sets_of_indexes_are_written_as_they_are_read(text: str, indexes: set[int]) -> None:
    assert parse(text) == indexes
    assert text_of(indexes) == text


async def test_a_pod_that_is_deleted_by_hand_is_replaced_and_counts_as_failed(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    cluster.api.create("Job", job("slow", "sleep 8"))
    await cluster.advance(3)
    (pod,) = pods_of(cluster, "slow")
    cluster.api.delete("Pod", pod["metadata"]["name"], "default")
    await cluster.advance(20)
    assert outcome(cluster, "slow") == "Complete"
    assert (status_of(cluster, "slow")["failed"], status_of(cluster, "slow")["succeeded"]) == (1, 1)
    assert cluster.api.find("Pod", pod["metadata"]["name"], "default") is None
    await cluster.stop()


async def test_a_deleted_job_takes_its_pods_along(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    cluster.api.create("Job", job("slow", "sleep 60", parallelism=2, completions=2))
    await cluster.advance(3)
    assert len(pods_of(cluster, "slow")) == 2
    cluster.api.delete("Job", "slow", "default", propagation_policy="Background")
    await cluster.advance(5)
    assert pods_of(cluster, "slow") == []
    await cluster.stop()


async def test_pods_of_an_orphaning_deletion_stay_without_the_finalizer(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    cluster.api.create("Job", job("slow", "sleep 60"))
    await cluster.advance(3)
    cluster.api.delete("Job", "slow", "default", propagation_policy="Orphan")
    await cluster.advance(3)
    (pod,) = pods_of(cluster, "slow")
    assert "finalizers" not in pod["metadata"]
    assert "ownerReferences" not in pod["metadata"]
    await cluster.stop()


async def test_suspending_a_job_removes_its_pods_and_resuming_starts_new_ones(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    cluster.api.create("Job", job("work", "sleep 4"))
    await cluster.advance(2)
    cluster.api.patch("Job", "work", {"spec": {"suspend": True}}, "merge", namespace="default")
    await cluster.advance(4)
    assert pods_of(cluster, "work") == []
    assert ("Suspended", "Job suspended") in cluster.events("work")
    cluster.api.patch("Job", "work", {"spec": {"suspend": False}}, "merge", namespace="default")
    await cluster.advance(20)
    assert ("Resumed", "Job resumed") in cluster.events("work")
    assert outcome(cluster, "work") == "Complete"
    await cluster.stop()


async def test_more_parallelism_starts_more_pods_and_less_deletes_some(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    cluster.api.create("Job", job("work", "sleep 90", parallelism=1, completions=5))
    await cluster.advance(3)
    for wanted in (3, 2):
        cluster.api.patch("Job", "work", {"spec": {"parallelism": wanted}}, "merge", namespace="default")
        await cluster.advance(6)
        assert status_of(cluster, "work")["active"] == wanted
    await cluster.stop()


async def test_a_queue_is_done_when_one_pod_succeeded_and_all_have_ended(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    cluster.api.create("Job", job("queue", "sleep 3", parallelism=3))
    await cluster.advance(12)
    assert outcome(cluster, "queue") == "Complete"
    assert status_of(cluster, "queue")["succeeded"] == 3
    assert len(pods_of(cluster, "queue")) == 3
    await cluster.stop()


async def test_ignored_failures_do_not_count_against_the_limit(tmp_path: Path) -> None:
    rule = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}
    cluster = await working_cluster(tmp_path)
    policy = {"rules": [rule]}
    cluster.api.create("Job", job("spot", "exit 7", backoffLimit=0, podFailurePolicy=policy))
    await cluster.advance(45)
    assert outcome(cluster, "spot") == ""
    assert status_of(cluster, "spot").get("failed", 0) == 0
    assert len(pods_of(cluster, "spot")) >= 2
    await cluster.stop()


async def test_too_many_failed_indexes_fail_the_job(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    made = job("all", "exit 1", completions=4, parallelism=4, completionMode="Indexed")
    made["spec"] |= {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
    cluster.api.create("Job", made)
    await cluster.advance(20)
    assert outcome(cluster, "all") == "Failed: MaxFailedIndexesExceeded"
    assert status_of(cluster, "all")["failedIndexes"] == "0-3"
    await cluster.stop()


async def test_a_job_goes_on_where_it_was_after_a_restart_of_the_controllers(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    first = await working_cluster(tmp_path, state=state)
    first.api.create("Job", job("work", "sleep 2", completions=3))
    await first.advance(6)
    done = status_of(first, "work").get("succeeded", 0)
    assert 0 < done < 3
    await first.stop()
    second = await working_cluster(tmp_path, state=state, clock=first.clock)
    await second.advance(30)
    assert outcome(second, "work") == "Complete"
    assert status_of(second, "work")["succeeded"] == 3
    await second.stop()


async def test_a_success_policy_ends_the_job_when_the_leader_has_succeeded(tmp_path: Path) -> None:
    cluster = await working_cluster(tmp_path)
    made = job("mpi", "lead", completions=3, parallelism=3)
    made["spec"] |= {"completionMode": "Indexed", "successPolicy": {"rules": [{"succeededIndexes": "0"}]}}
    cluster.api.create("Job", made)
    await cluster.advance(15)
    assert outcome(cluster, "mpi") == "Complete"
    status = status_of(cluster, "mpi")
    assert [c["reason"] for c in status["conditions"]] == ["SuccessPolicy", "SuccessPolicy"]
    assert status["completedIndexes"] == "0"
    assert [pod["spec"]["hostname"] for pod in pods_of(cluster, "mpi")] == ["mpi-0"]
    await cluster.stop()
