"""What may not be said about places, and that bad numbers of a node stop nobody else's scheduling."""

from __future__ import annotations

from typing import Any

import pytest

from dockyard.cluster.errors import Invalid
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"affinity": {"podAffinity": {REQUIRED: [{"labelSelector": {}}]}}},
            f"spec.affinity.podAffinity.{REQUIRED}[0].topologyKey: Required value: can not be empty",
        ),
        (
            {
                "affinity": {
                    "podAntiAffinity": {PREFERRED: [{"weight": 0, "podAffinityTerm": {"topologyKey": "x"}}]}
                }
            },
            "Invalid value: 0: must be in the range 1-100",
        ),
        (
            {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
            "Required value: must have at least one node selector term",
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        PREFERRED: [
                            {
                                "weight": 1,
                                "preference": {"matchExpressions": [{"key": "a", "operator": "Like"}]},
                            }
                        ]
                    }
                }
            },
            'Invalid value: "Like": not a valid selector operator',
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {
                            "nodeSelectorTerms": [
                                {"matchFields": [{"key": "spec.x", "operator": "In", "values": ["a"]}]}
                            ]
                        }
                    }
                }
            },
            'Invalid value: "spec.x": not a valid field selector key',
        ),
        (
            {
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "x", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}
                ]
            },
            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
        ),
    ],
)
async def test_pods_that_ask_for_impossible_places_are_refused(
    cluster: FakeCluster, spec: Manifest, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        cluster.api.create("Pod", pod("p", spec=spec))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("taint", "message"),
    [
        ({"key": "a"}, "spec.taints[0].effect: Required value"),
        (
            {"key": "a", "effect": "Never"},
            'Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        ),
        ({"key": "", "effect": "NoSchedule"}, "spec.taints[0].key: Invalid value"),
        ({"key": "a", "value": "b c", "effect": "NoSchedule"}, 'spec.taints[0].value: Invalid value: "b c"'),
    ],
)
async def test_taints_that_mean_nothing_are_refused(
    cluster: FakeCluster, taint: Manifest, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        cluster.api.patch("Node", "a", {"spec": {"taints": [taint]}}, "merge")
    assert message in str(refused.value)


@pytest.mark.parametrize("allocatable", [{"cpu": "lots", "pods": "110"}, {}, {"cpu": "-1", "pods": "-1"}])
async def test_a_node_of_nonsense_takes_nothing_and_the_others_go_on(
    cluster: FakeCluster, allocatable: dict[str, Any]
) -> None:
    node = cluster.api.get("Node", "a")
    node["status"]["allocatable"] = allocatable
    cluster.api.update_status("Node", node)
    for index in range(4):
        cluster.api.create("Pod", pod(f"p{index}", resources={"requests": {"cpu": "1m"}}))
    await cluster.settle()
    assert [p["spec"]["nodeName"] for p in cluster.pods()] == ["b", "c", "b", "c"]
