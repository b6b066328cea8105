"""The Pod Security Standards: what each level forbids, in upstream's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.errors import Forbidden, Invalid
from dockyard.cluster.podsecurity import Level, violations
from tests.cluster.harness import FakeCluster, pod

Manifest = dict[str, Any]

HARDENED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def judged(level: str, spec: Manifest, **context: Any) -> list[str]:
    container = {"name": "main", "image": "app:v1", "securityContext": HARDENED | context}
    found = violations(Level(level), {}, {"containers": [container], **spec})
    return [str(violation) for violation in found]


@pytest.mark.parametrize("level", ["privileged", "baseline", "restricted"])
def test_a_hardened_pod_passes_everywhere(level: str) -> None:
    assert judged(level, {"volumes": [{"name": "data", "emptyDir": {}}]}) == []


@pytest.mark.parametrize(
    ("spec", "context", "text"),
    [
        ({"hostNetwork": True, "hostPID": True}, {}, "host namespaces (hostNetwork=true, hostPID=true)"),
        (
            {},
            {"capabilities": {"add": ["NET_ADMIN", "CHOWN", "SYS_TIME"], "drop": ["ALL"]}},
            'non-default capabilities (container "main" must not include "NET_ADMIN", "SYS_TIME" in '
            "securityContext.capabilities.add)",
        ),
        (
            {"volumes": [{"name": "h", "hostPath": {"path": "/"}}, {"name": "i", "hostPath": {"path": "/"}}]},
            {},
            'hostPath volumes (volumes "h", "i")',
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            {},
            'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
            {},
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            {},
            {"seLinuxOptions": {"type": "spc_t", "user": "u"}},
            'seLinuxOptions (container "main" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
            "user may not be set)",
        ),
        (
            {},
            {"procMount": "Unmasked"},
            'procMount (container "main" must not set securityContext.procMount to "Unmasked")',
        ),
    ],
)
def test_the_baseline_forbids_known_ways_out(spec: Manifest, context: Manifest, text: str) -> None:
    assert judged("baseline", spec, **context) == [text]
    assert judged("privileged", spec, **context) == []


@pytest.mark.parametrize(
    ("spec", "context", "text"),
    [
        (
            {"securityContext": {"runAsNonRoot": False}},
            {},
            "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        ),
        (
            {"securityContext": {"runAsUser": 0}},
            {"runAsUser": 0},
            'runAsUser=0 (pod and container "main" must not set runAsUser=0)',
        ),
        (
            {},
            {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
            'unrestricted capabilities (container "main" must not include "CHOWN" in '
            "securityContext.capabilities.add)",
        ),
        (
            {"volumes": [{"name": "n", "nfs": {"server": "s", "path": "/"}}]},
            {},
            'restricted volume types (volume "n" uses restricted volume type "nfs")',
        ),
    ],
)
def test_the_restricted_level_asks_for_more(spec: Manifest, context: Manifest, text: str) -> None:
    assert judged("restricted", spec, **context) == [text]
    assert judged("baseline", spec, **context) == []


async def enforcing(root: Path, **labels: str) -> FakeCluster:
    cluster = await FakeCluster(root).start()
    prefixed = {
        f"pod-security.kubernetes.io/{mode.replace('_', '-')}": level for mode, level in labels.items()
    }
    cluster.api.patch("Namespace", "default", {"metadata": {"labels": prefixed}}, "merge")
    return cluster


async def test_a_pinned_version_is_named_in_the_refusal(tmp_path: Path) -> None:
    cluster = await enforcing(tmp_path, enforce="baseline", enforce_version="v1.30")
    with pytest.raises(Forbidden) as refusal:
        cluster.api.create("Pod", pod("web", securityContext={"privileged": True}))
    assert 'violates PodSecurity "baseline:v1.30": privileged' in refusal.value.message
    await cluster.stop()


async def test_an_update_of_metadata_is_not_judged_again(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    cluster.api.create("Pod", pod("web"))
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.patch("Namespace", "default", {"metadata": {"labels": label}}, "merge")
    labels = {"metadata": {"labels": {"a": "b"}}}
    cluster.api.patch("Pod", "web", labels, "merge", namespace="default")
    image = {"spec": {"containers": [{"name": "main", "image": "app:v2"}]}}
    with pytest.raises(Forbidden):
        cluster.api.patch("Pod", "web", image, "strategic", namespace="default")
    await cluster.stop()


async def test_a_version_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refusal:
        await enforcing(tmp_path, warn_version="newest")
    assert 'must be "latest" or "v1.x"' in refusal.value.message
