"""Directories of the machine in Pods: what a hostPath's type asks for, and what leads out of no volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.node.hostpath import HostPathError, HostPaths
from tests.cluster.harness import FakeCluster, pod


def with_volume(name: str, source: dict[str, Any], **mount: str) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/data"} | mount]
    return pod(name, spec={"volumes": [{"name": "v"} | source]}, volumeMounts=mounts)


def seen(cluster: FakeCluster, name: str) -> Path | None:
    (spec,) = (spec for spec in cluster.runtime.started if spec.hostname == name)
    (source,) = (mount.source for mount in spec.mounts if mount.target == "/data")
    return source


@pytest.fixture
def paths(tmp_path: Path) -> HostPaths:
    return HostPaths(tmp_path / "hostpath")


def test_what_the_machine_has_is_used_as_it_is(paths: HostPaths, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    assert paths.open(str(there), "Directory") == paths.open(str(there), "") == there


def test_what_the_machine_lacks_is_made_in_our_own_directory(paths: HostPaths, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    made = paths.open(str(absent), "DirectoryOrCreate")
    assert made.is_dir()
    assert made.is_relative_to(paths.root)
    assert not absent.exists()
    assert paths.open(str(absent), "Directory") == made, "the next Pod finds it"
    assert paths.open(str(tmp_path / "file"), "FileOrCreate").read_bytes() == b""


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("Directory", "is not a directory"),
        ("File", "is not a file"),
        ("Socket", "is not a socket file"),
        ("BlockDevice", "is a device"),
    ],
)
def test_a_type_that_does_not_fit_is_refused(
    paths: HostPaths, tmp_path: Path, kind: str, problem: str
) -> None:
    with pytest.raises(HostPathError, match=f"hostPath type check failed: .*{problem}"):
        paths.open(str(tmp_path / "absent"), kind)


def test_a_provisioned_directory_is_never_elsewhere(paths: HostPaths) -> None:
    inside = paths.place("/var/lib/hostpath/0b6f")
    assert inside == paths.provisioned / "0b6f"
    out = paths.place("/var/lib/hostpath/../../../etc-of-nobody")
    assert out.is_relative_to(paths.root)


async def test_a_pod_waits_for_a_directory_that_has_to_be_there(cluster: FakeCluster, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    source = {"hostPath": {"path": str(wanted), "type": "Directory"}}
    cluster.api.create("Pod", with_volume("waits", source))
    await cluster.settle()
    why = f'MountVolume.SetUp failed for volume "v" : hostPath type check failed: {wanted} is not a directory'
    assert ("FailedMount", why) in cluster.events("waits")
    wanted.mkdir()
    await cluster.advance(2)
    assert (cluster.pod("waits")["status"]["phase"], seen(cluster, "waits")) == ("Running", wanted)


async def test_a_link_in_a_volume_does_not_lead_out_of_it(cluster: FakeCluster, tmp_path: Path) -> None:
    shared, secret = tmp_path / "shared", tmp_path / "secret"
    shared.mkdir()
    secret.mkdir()
    (shared / "link").symlink_to(secret)
    source = {"hostPath": {"path": str(shared)}}
    for name, sub_path in (("through", "link"), ("beyond", "link/deeper"), ("inside", "a/b")):
        cluster.api.create("Pod", with_volume(name, source, subPath=sub_path))
    await cluster.advance(2)
    assert cluster.pod("inside")["status"]["phase"] == "Running"
    assert seen(cluster, "inside") == shared / "a" / "b"
    for name in ("through", "beyond"):
        waiting = cluster.pod(name)["status"]["containerStatuses"][0]["state"]["waiting"]
        assert waiting["reason"] == "CreateContainerConfigError"
        assert waiting["message"] == 'failed to prepare subPath for volumeMount "v"'
    assert list(secret.iterdir()) == []
