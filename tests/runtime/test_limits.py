"""Control groups of both versions, on folders that look like them: this machine has but one of the two."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.enforcement import enforcement_of
from dockyard.runtime.hierarchies import PREFIX, Hierarchy, sweep, writable
from dockyard.runtime.limits import Cgroups
from dockyard.runtime.settings import cores
from dockyard.runtime.spec import Limits
from dockyard.runtime.usage import Throttling

MEGABYTE = 1 << 20
ALL = Limits(
    memory=64 * MEGABYTE, memory_swap=96 * MEGABYTE, cpus=0.5, period=50_000, pids=10, cpu_shares=512
)


def version_2(folder: Path, *controllers: str) -> Cgroups:
    return Cgroups("test", [Hierarchy(folder, frozenset(controllers), 2)])


def version_1(folder: Path) -> Cgroups:
    hierarchies = []
    for name in ("memory", "cpu", "cpuacct", "pids"):
        (folder / name).mkdir()
        hierarchies.append(Hierarchy(folder / name, frozenset([name]), 1))
    return Cgroups("test", hierarchies)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_version_2_has_one_group_for_all_limits(tmp_path: Path) -> None:
    made = version_2(tmp_path, "memory", "cpu", "pids").create("web", ALL)
    assert made == [str(tmp_path / "dockyard-test" / "web")]
    assert contents(Path(made[0])) == {
        "memory.max": str(64 * MEGABYTE),
        "memory.swap.max": str(32 * MEGABYTE),
        "cpu.max": "25000 50000",
        "cpu.weight": "20",
        "pids.max": "10",
    }


def test_version_1_has_a_group_for_each_controller(tmp_path: Path) -> None:
    made = version_1(tmp_path).create("web", ALL)
    assert len(made) == 4
    assert contents(tmp_path / "memory/dockyard-test/web") == {
        "memory.limit_in_bytes": str(64 * MEGABYTE),
        "memory.memsw.limit_in_bytes": str(96 * MEGABYTE),
    }
    assert contents(tmp_path / "cpu/dockyard-test/web") == {
        "cpu.cfs_period_us": "50000",
        "cpu.cfs_quota_us": "25000",
        "cpu.shares": "512",
    }
    assert contents(tmp_path / "pids/dockyard-test/web") == {"pids.max": "10"}


def test_container_without_limits_has_groups_for_its_accounts(tmp_path: Path) -> None:
    groups = version_2(tmp_path, "memory", "cpu", "pids")
    (made,) = groups.create("web", Limits())
    assert contents(Path(made)) == {}
    texts = {
        "cpu.stat": "usage_usec 7\nuser_usec 5\nsystem_usec 2\n"
        "nr_periods 9\nnr_throttled 3\nthrottled_usec 11\n",
        "memory.current": "4096\n",
        "memory.stat": "anon 1\ninactive_file 1024\n",
        "memory.events": "oom 2\noom_kill 1\n",
        "pids.current": "3\n",
    }
    for name, text in texts.items():
        (Path(made) / name).write_text(text)
    used = groups.usage("web")
    assert used is not None
    assert (used.cpu, used.user, used.system) == (7000, 5000, 2000)
    assert (used.memory, used.cache, used.pids, used.oom_kills) == (4096, 1024, 3, 1)
    assert used.throttling == Throttling(9, 3, 11_000)
    assert groups.killed_by_memory("web")


def test_group_that_was_swept_is_made_again(tmp_path: Path) -> None:
    groups = version_1(tmp_path)
    groups.create("one", Limits(pids=5))
    for left in tmp_path.glob("*/dockyard-*"):
        shutil.rmtree(left)  # as another runtime's start does
    groups.create("two", Limits(pids=5))
    assert len(list(tmp_path.glob("*/dockyard-test/two"))) == 4


def test_groups_of_version_1_without_limits_are_left_to_the_first_process(tmp_path: Path) -> None:
    groups = version_1(tmp_path)
    named = groups.create("web", Limits())
    assert sorted(named) == sorted(str(folder) for folder, _ in groups.view("web"))
    assert len(named) == 4
    assert not list(tmp_path.glob("*/dockyard-test/web"))


def test_sweep_leaves_what_is_used_or_young(tmp_path: Path) -> None:
    for name in ("dockyard-young", "dockyard-old", "dockyard-used/web", "somebody"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "dockyard-used/web/cgroup.procs").write_text("1\n")  # as rmdir of one in use, it fails
    long_ago = 1_000_000_000
    for name in ("dockyard-old", "dockyard-used/web", "dockyard-used", "somebody"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    sweep([Hierarchy(tmp_path, frozenset(["cpu"]), 1)])
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["dockyard-used", "dockyard-young", "somebody"]
    assert PREFIX == "dockyard-"


def test_what_cannot_be_written_is_no_hierarchy(tmp_path: Path) -> None:
    mounts, own = tmp_path / "mountinfo", tmp_path / "cgroup"
    mounts.write_text(
        f"30 23 0:26 / {tmp_path}/nowhere rw - cgroup cgroup rw,memory\n"
        f"31 23 0:27 / {tmp_path}/nowhere2 rw - cgroup2 cgroup2 rw\n"
    )
    own.write_text("4:memory:/\n0::/\n")
    assert writable(mounts, own) == []


def test_enforcement_says_who_sees_to_what() -> None:
    rootless = Traits("namespaces", True, (), (), namespaces=True, counts_processes=True)
    nothing = enforcement_of(frozenset(), 0, rootless)
    assert (nothing.memory, nothing.cpu, nothing.pids, nothing.shares) == (
        "emulated",
        "emulated",
        "kernel",
        "none",
    )
    assert len(nothing.warnings) == 3
    everything = enforcement_of(frozenset(("memory", "cpu", "pids")), 2, rootless)
    assert everything.warnings == ()


@pytest.mark.parametrize(("text", "numbers"), [("", []), ("0", [0]), ("0-2,5", [0, 1, 2, 5])])
def test_cores_are_named_by_ranges(text: str, numbers: list[int]) -> None:
    assert cores(text) == numbers
