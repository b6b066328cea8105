"""Ephemeral containers: what `kubectl debug` adds to a Pod that runs."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.errors import Invalid
from tests.cluster.harness import FakeCluster, pod


def debugger(name: str = "debugger", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox:1", "command": ["look"], "stdin": True, "tty": True} | more


def add(cluster: FakeCluster, *containers: dict[str, Any]) -> dict[str, Any]:
    patch = {"spec": {"ephemeralContainers": list(containers)}}
    return cluster.api.patch(
        "Pod", "web", patch, "strategic", namespace="default", subresource="ephemeralcontainers"
    )


async def running(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", pod("web"))
    await cluster.settle()


async def test_added_container_runs_beside_the_others_and_is_shown_apart(cluster: FakeCluster) -> None:
    await running(cluster)
    add(cluster, debugger())
    await cluster.settle()
    found = cluster.pod("web")
    (status,) = found["status"]["ephemeralContainerStatuses"]
    assert (status["name"], list(status["state"])) == ("debugger", ["running"])
    assert "started" not in status
    assert found["metadata"]["generation"] == found["status"]["observedGeneration"] == 2
    assert [c["name"] for c in found["status"]["containerStatuses"]] == ["main"]
    assert found["spec"]["ephemeralContainers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert ("Started", "Container started") in cluster.events("web")


async def test_its_end_is_final_and_changes_nothing_about_the_pod(cluster: FakeCluster) -> None:
    await running(cluster)
    cluster.runtime.programs["look"] = lambda process: cluster.clock.call_later(1, lambda: process.end(3))
    add(cluster, debugger())
    await cluster.advance(300)
    found = cluster.pod("web")
    (status,) = found["status"]["ephemeralContainerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 3
    assert status["restartCount"] == 0
    assert found["status"]["phase"] == "Running"
    ready = next(c for c in found["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True"


async def test_a_pod_of_finished_containers_ends_although_somebody_debugs_it(cluster: FakeCluster) -> None:
    cluster.runtime.programs["serve"] = lambda process: cluster.clock.call_later(5, lambda: process.end(0))
    cluster.api.create("Pod", pod("web", spec={"restartPolicy": "Never"}))
    await cluster.settle()
    add(cluster, debugger())
    await cluster.advance(60)
    assert cluster.pod("web")["status"]["phase"] == "Succeeded"


async def test_a_second_one_may_be_added_but_none_changed_or_taken_away(cluster: FakeCluster) -> None:
    await running(cluster)
    add(cluster, debugger())
    await cluster.settle()
    add(cluster, debugger("second"))
    await cluster.settle()
    assert len(cluster.pod("web")["status"]["ephemeralContainerStatuses"]) == 2
    with pytest.raises(Invalid, match='existing ephemeral containers "second" may not be changed'):
        add(cluster, debugger("second", image="other:1"))
    less = cluster.pod("web")
    less["spec"]["ephemeralContainers"].pop()
    with pytest.raises(Invalid, match='existing ephemeral containers "debugger" may not be removed'):
        cluster.api.update_ephemeral_containers(less)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"name": "main"}, r'spec.ephemeralContainers\[0\].name: Duplicate value: "main"'),
        (
            {"ports": [{"containerPort": 80}]},
            r"\[0\].ports: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (
            {"targetContainerName": "ghost"},
            r'\[0\].targetContainerName: Not found: "ghost"',
        ),
        ({"image": ""}, r"spec.ephemeralContainers\[0\].image: Required value"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    cluster: FakeCluster, more: dict[str, Any], complaint: str
) -> None:
    await running(cluster)
    with pytest.raises(Invalid, match=complaint):
        add(cluster, debugger(**more))
    assert "ephemeralContainers" not in cluster.pod("web")["spec"]


async def test_other_doors_let_none_in(cluster: FakeCluster) -> None:
    with pytest.raises(Invalid, match=r"spec\.ephemeralContainers: Forbidden: cannot be set on create"):
        cluster.api.create("Pod", pod("new", spec={"ephemeralContainers": [debugger()]}))
    await running(cluster)
    patch = {"spec": {"ephemeralContainers": [debugger()]}}
    with pytest.raises(Invalid, match="pod updates may not change fields other than"):
        cluster.api.patch("Pod", "web", patch, "strategic", namespace="default")
