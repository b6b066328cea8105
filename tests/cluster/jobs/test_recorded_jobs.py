"""Recorded scenarios of Jobs and a CronJob, played again on a fake clock."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.podstate import unix
from tests.cluster.harness import FakeCluster
from tests.cluster.jobs.faces import cronjob_face, job_face, sequence, told
from tests.cluster.jobs.work import working_cluster

Manifest = dict[str, Any]

RECORDINGS = Path(__file__).parents[2] / "data" / "kubernetes" / "jobs"
# When the recorder resumed the suspended Job, and how long it went on.
RESUMED, SECONDS = 11, 40


def recording(name: str) -> Manifest:
    found: Manifest = json.loads((RECORDINGS / f"{name}.json").read_text())
    assert found["manifests"], "nothing was recorded"
    return found


async def play(root: Path, name: str) -> tuple[FakeCluster, Manifest]:
    recorded = recording(name)
    cluster = await working_cluster(root)
    for manifest in recorded["manifests"]:
        manifest["metadata"]["namespace"] = "default"
        cluster.api.create(manifest["kind"], manifest)
    await cluster.advance(RESUMED)
    if name == "job-complete":
        cluster.api.patch("Job", "held", {"spec": {"suspend": False}}, "merge", namespace="default")
    await cluster.advance(SECONDS - RESUMED)
    return cluster, recorded


def str_of(obj: Manifest) -> str:
    return json.dumps(obj, sort_keys=True)


def tell(cluster: FakeCluster, kind: str) -> set[tuple[str, str, str, str]]:
    return {
        (e["involvedObject"]["name"], e["type"], e["reason"], told(e["message"]))
        for e in (event.object for event in cluster.timeline if event.kind == "Event")
        if e["involvedObject"]["kind"] == kind
    }


@pytest.mark.parametrize("name", ["job-complete", "job-backoff-limit", "job-indexed"])
async def test_jobs_go_through_what_was_recorded(name: str, tmp_path: Path) -> None:
    cluster, recorded = await play(tmp_path, name)
    faces: dict[str, list[Manifest]] = defaultdict(list)
    for event in cluster.timeline:
        if event.kind == "Job" and "deletionTimestamp" not in event.object["metadata"]:
            faces[event.name].append(job_face(event.object["status"]))
    ours = {job: sequence(found) for job, found in faces.items()}
    assert json.loads(json.dumps(ours)) == recorded["jobs"]
    assert sorted(map(list, tell(cluster, "Job"))) == recorded["events"]
    await cluster.stop()


@pytest.mark.parametrize("name", ["job-complete", "job-backoff-limit", "job-indexed"])
async def test_pods_of_jobs_are_made_as_recorded(name: str, tmp_path: Path) -> None:
    cluster, recorded = await play(tmp_path, name)
    start = min(unix(e.object["metadata"]["creationTimestamp"]) for e in cluster.timeline if e.kind == "Job")
    ours: dict[str, list[Manifest]] = defaultdict(list)
    for event in cluster.timeline:
        if event.kind == "Pod" and event.type == "ADDED":
            metadata, spec = event.object["metadata"], event.object["spec"]
            ours[metadata["labels"]["job-name"]].append(
                {
                    "at": unix(metadata["creationTimestamp"]) - start,
                    "labels": {k: v for k, v in metadata["labels"].items() if "uid" not in k},
                    "annotations": metadata.get("annotations", {}),
                    "generateName": metadata["generateName"],
                    "finalizers": metadata["finalizers"],
                    "hostname": spec.get("hostname", ""),
                    "env": spec["containers"][0].get("env", []),
                }
            )
    assert set(ours) == set(recorded["pods"])
    for job, pods in recorded["pods"].items():
        # The recorder's machine was busy: all happens a little later there, and in no certain order at once.
        late = [pod.pop("at") for pod in sorted(pods, key=lambda pod: (pod["at"], pod["generateName"]))]
        made = sorted(ours[job], key=lambda pod: (pod["at"], pod["generateName"]))
        early = [pod.pop("at") for pod in made]
        pods.sort(key=str_of)
        assert sorted(made, key=str_of) == pods
        assert all(abs(a - b) <= 4 for a, b in zip(early, late, strict=True)), (early, late)
    await cluster.stop()


async def test_a_cronjob_goes_through_what_was_recorded(tmp_path: Path) -> None:
    recorded = recording("cronjob-firing")
    cluster = await working_cluster(tmp_path)
    for manifest in recorded["manifests"]:
        manifest["metadata"]["namespace"] = "default"
        cluster.api.create("CronJob", manifest)
    await cluster.settle()
    hello = cluster.api.get("CronJob", "hello", "default")
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "hello", "uid": hello["metadata"]["uid"]}
    by_hand = {
        "name": "manual",
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
        "ownerReferences": [owner | {"controller": True}],
    }
    cluster.api.create("Job", {"metadata": by_hand, "spec": hello["spec"]["jobTemplate"]["spec"]})
    await cluster.advance(70)
    faces = [cronjob_face(version["status"]) for version in cluster.history("CronJob", "hello")]
    assert sequence(faces) == recorded["statuses"]
    events = sorted([kind, reason, message] for _, kind, reason, message in tell(cluster, "CronJob"))
    assert events == recorded["events"]
    (made,) = [job for job in cluster.api.list("Job", "default") if job["metadata"]["name"] != "manual"]
    assert made["metadata"]["name"] == f"hello-{int(cluster.clock.now()) // 60}"
    assert sorted(made["metadata"]["annotations"]) == recorded["job"]["annotations"]
    assert sorted(made["metadata"]["labels"]) == recorded["job"]["labels"]
    assert {k: v for k, v in made["spec"].items() if k not in ("selector", "template")} == recorded["job"][
        "spec"
    ]
    assert cluster.api.get("CronJob", "tz", "default")["status"] == {}
    await cluster.stop()
