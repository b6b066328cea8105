"""LimitRanges: what they fill in and what they refuse beyond the recorded scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.errors import Forbidden
from dockyard.cluster.podresources import pod_total
from tests.cluster.harness import FakeCluster, deployment, pod

Manifest = dict[str, Any]


async def bounded(root: Path, *limits: Manifest) -> FakeCluster:
    cluster = await FakeCluster(root).start()
    metadata = {"name": "lr", "namespace": "default"}
    cluster.api.create("LimitRange", {"metadata": metadata, "spec": {"limits": list(limits)}})
    return cluster


async def test_init_containers_get_the_defaults_too(tmp_path: Path) -> None:
    default = {"type": "Container", "defaultRequest": {"cpu": "50m"}}
    cluster = await bounded(tmp_path, default)
    first = {"name": "first", "image": "app:v1", "resources": {"requests": {"memory": "1Mi"}}}
    made = cluster.api.create("Pod", pod("web", spec={"initContainers": [first]}))
    (init,) = made["spec"]["initContainers"]
    assert init["resources"]["requests"] == {"memory": "1Mi", "cpu": "50m"}
    note = made["metadata"]["annotations"]["kubernetes.io/limit-ranger"]
    assert note == (
        "LimitRanger plugin set: cpu request for container main; cpu request for init container first"
    )
    assert made["status"]["qosClass"] == "Burstable"
    await cluster.stop()


@pytest.mark.parametrize(
    ("limit", "resources", "why"),
    [
        (
            {"type": "Container", "min": {"cpu": "10m"}},
            {"limits": {"cpu": "5m"}},
            "minimum cpu usage per Container is 10m, but request is 5m",
        ),
        (
            {"type": "Pod", "max": {"memory": "1Gi"}},
            {},
            "maximum memory usage per Pod is 1Gi.  No limit is specified",
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "1"}, "requests": {"cpu": "250m"}},
            "cpu max limit to request ratio per Pod is 2, but provided ratio is 4.000000",
        ),
    ],
)
async def test_what_is_beyond_the_bounds_is_refused(
    limit: Manifest, resources: Manifest, why: str, tmp_path: Path
) -> None:
    cluster = await bounded(tmp_path, limit)
    with pytest.raises(Forbidden) as refusal:
        cluster.api.create("Pod", pod("web", resources=resources))
    assert refusal.value.message == f'pods "web" is forbidden: {why}'
    await cluster.stop()


async def test_a_replicaset_starts_when_defaults_appear(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    quota = {"hard": {"requests.cpu": "1"}}
    cluster.api.create("ResourceQuota", {"metadata": {"name": "q", "namespace": "default"}, "spec": quota})
    await cluster.settle()
    cluster.api.create("Deployment", deployment(replicas=1))
    await cluster.advance(2)
    assert cluster.pods() == []
    assert any("must specify requests.cpu for: app" in message for _, message in cluster.events())
    limits = [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]
    metadata = {"name": "lr", "namespace": "default"}
    cluster.api.create("LimitRange", {"metadata": metadata, "spec": {"limits": limits}})
    await cluster.advance(15)
    assert len(cluster.pods()) == 1
    await cluster.stop()


def test_a_pod_asks_for_its_greediest_moment() -> None:
    def container(cpu: str, **fields: str) -> Manifest:
        return {"resources": {"requests": {"cpu": cpu}}, **fields}

    spec = {
        "containers": [container("100m"), container("200m")],
        "initContainers": [container("50m", restartPolicy="Always"), container("600m")],
        "overhead": {"cpu": "10m"},
    }
    assert pod_total(spec, "requests") == {"cpu": "660m"}
    assert pod_total(spec, "limits") == {}
