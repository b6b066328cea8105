"""Who dies with whom: the daemon, the parent, the worker, the containers and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.runtime.census import descendants, table
from dockyard.runtime.drivers.choose import NAMES
from dockyard.runtime.errors import NoDriver
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock
from tests.deadline import eventually
from tests.runtime.box import Box

# A first process, a child, and a daemon that has left both its parent and its session.
FAMILY = "sleep 1000 & (sh -c 'trap \"\" HUP TERM; echo daemon; while :; do sleep 0.2; done' &) ; wait"

DAEMON = """
import asyncio, sys
from pathlib import Path
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock
from tests.runtime.box import Box

async def main():
    folder = Path(sys.argv[1])
    runtime = await Runtime.open(folder / "home", clock=SystemClock(), driver=sys.argv[2], network=False)
    ran = await Box(runtime, folder).run("/bin/sh", "-c", sys.argv[3], id="web")
    await ran.until(lambda: "daemon" in ran.output)
    print(*await runtime.pids("web"), runtime.parent_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def alive(pids: list[int]) -> list[int]:
    processes = table()
    return [pid for pid in pids if pid in processes and processes[pid].state != "Z"]


async def family(box: Box, id: str = "web") -> list[int]:
    ran = await box.run("/bin/sh", "-c", FAMILY, id=id)
    await ran.until(lambda: "daemon" in ran.output)
    pids = await box.runtime.pids(id)
    assert len(pids) >= 3
    return pids


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""  # it has ended


def shells(pids: list[int]) -> list[int]:
    return [pid for pid in alive(pids) if "echo daemon" in command_line(pid)]


def start_daemon(folder: Path, driver: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A process of its own that runs a container; skips where the driver doesn't work."""
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(folder), driver, FAMILY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    assert daemon.stderr is not None
    pids = [int(word) for word in daemon.stdout.readline().split()]
    if not pids:
        error = daemon.stderr.read()
        daemon.wait()
        daemon.stdout.close()
        daemon.stderr.close()
        assert "NoDriver" in error, error
        pytest.skip(error.splitlines()[-1])
    return daemon, pids


def bury(daemon: subprocess.Popen[str]) -> None:
    daemon.wait()
    for stream in (daemon.stdout, daemon.stderr):
        assert stream is not None
        stream.close()


async def test_orphans_end_with_their_container(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", f"{FAMILY.replace('wait', 'read line')}", id="web", stdin=True)
    await ran.until(lambda: "daemon" in ran.output)
    pids = await box.runtime.pids("web")
    ran.process.close_stdin()
    await ran.wait()
    await asyncio.to_thread(eventually, lambda: not alive(pids), "the container's processes are gone")


async def test_orphans_of_one_container_leave_another_alone(box: Box) -> None:
    first, second = await family(box, "one"), await family(box, "two")
    assert not set(first) & set(second)
    await box.runtime.remove("one")
    await asyncio.to_thread(eventually, lambda: not alive(first), "the first container's processes are gone")
    assert alive(second)


async def test_close_leaves_no_process(box: Box) -> None:
    pids = [box.runtime.parent_pid, *await family(box)]
    await box.runtime.close()
    assert alive(pids) == []
    assert descendants([os.getpid()], table()) & set(pids) == set()


async def test_close_gives_programs_time_to_end_well(box: Box) -> None:
    ran = await box.run(
        "/bin/sh", "-c", "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    )
    await ran.until(lambda: "up" in ran.output)
    await box.runtime.close()
    assert (await ran.wait()).code == 0
    assert ran.output == "up\nsaved\n"


async def test_death_of_the_parent_ends_the_containers(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", FAMILY, id="web")
    await ran.until(lambda: "daemon" in ran.output)
    pids = await box.runtime.pids("web")
    os.kill(box.runtime.parent_pid, signal.SIGKILL)
    assert (await ran.wait()).code == 137
    await asyncio.to_thread(eventually, lambda: not alive(pids), "the container's processes are gone")


@pytest.mark.parametrize("driver", NAMES)
def test_kill_of_the_daemon_ends_everything(driver: str, tmp_path: Path) -> None:
    daemon, pids = start_daemon(tmp_path, driver)
    daemon.kill()
    eventually(lambda: not alive(pids), "parent and containers are gone")
    bury(daemon)


@pytest.mark.parametrize("driver", NAMES)
async def test_what_survives_daemon_and_parent_ends_when_the_runtime_is_opened(
    driver: str, tmp_path: Path
) -> None:
    daemon, pids = await asyncio.to_thread(start_daemon, tmp_path, driver)
    os.kill(daemon.pid, signal.SIGSTOP)  # so that neither can clean up after the other
    os.kill(pids[-1], signal.SIGKILL)
    daemon.kill()
    bury(daemon)
    earlier = {path.name for path in (tmp_path / "home").glob("proot*")}
    assert driver != "proot" or len(earlier) > 1
    runtime = await Runtime.open(tmp_path / "home", clock=SystemClock(), driver=driver, network=False)
    await asyncio.to_thread(eventually, lambda: not alive(pids), "what was left is gone")
    await runtime.close()
    left = {path.name for path in (tmp_path / "home").glob("proot*")}
    assert left <= {"proot-launcher"}


async def test_a_thousand_starts_leave_nothing_open(tmp_path: Path) -> None:
    try:
        runtime = await Runtime.open(tmp_path / "home", clock=SystemClock(), network=False)
    except NoDriver as reason:
        pytest.skip(str(reason))
    box = Box(runtime, tmp_path)
    rootfs = box.rootfs()

    async def batch(size: int) -> None:
        for _ in range(size):
            ran = await box.run("/bin/sh", "-c", ":", id="web", rootfs=rootfs, stdin=True)
            assert (await ran.wait()).code == 0

    def open_files() -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), runtime.parent_pid)]

    await batch(3)
    before = open_files()
    await batch(1000)

    def nothing_leaked() -> bool:
        # What is being watched or closed at this moment comes and goes; a leak would be a thousand.
        return all(now <= then + 5 for now, then in zip(open_files(), before, strict=True))

    await asyncio.to_thread(eventually, nothing_leaked, f"about {before} open files, as before")
    await runtime.close()


async def test_two_runtimes_side_by_side_do_not_touch_each_other(box: Box, tmp_path: Path) -> None:
    pids = await family(box)
    # The shell that began the daemon is about to end, and so is each sleep of 0.2 s.
    await asyncio.to_thread(eventually, lambda: len(shells(pids)) == 2, "the first shell and the daemon")
    pids = shells(pids) + [pid for pid in pids if "1000" in command_line(pid) and pid not in shells(pids)]
    assert len(pids) == 3
    other = await Runtime.open(tmp_path / "other", clock=SystemClock(), driver=box.driver, network=False)
    await other.close()
    assert alive(pids) == pids
