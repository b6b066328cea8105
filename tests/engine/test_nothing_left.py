"""What an engine's containers leave behind: nothing, however they or the engine end."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from dockyard.runtime import census
from tests.deadline import eventually
from tests.engine.serving import EngineProcess

SCRIPT = ["sh", "-c", "sleep 300 & (sh -c 'sleep 300 & sleep 300' &); sleep 300"]
ROUNDS = 200


@contextmanager
def engine(folder: Path) -> Iterator[tuple[EngineProcess, docker.DockerClient]]:
    """An engine of the test's own, because it is going to be killed."""
    served = EngineProcess(folder)
    served.start()
    client = docker.DockerClient(base_url=served.url, timeout=60)
    client.images.pull("busybox", tag="latest")
    try:
        yield served, client
    finally:
        client.close()
        served.close()


def family(pid: int) -> list[int]:
    """The engine's process and all below it: parent, worker, containers."""
    return [pid, *sorted(census.descendants([pid], census.table()) - {pid})]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def runtime_parent(daemon: int) -> int:
    """The process that all containers descend from."""
    return next(pid for pid in census.children(daemon) if "parent_boot" in command(pid))


def worker_of(parent: int) -> int | None:
    """The network's worker: the parent's child that is a copy of it."""
    return next((pid for pid in census.children(parent) if "parent_boot" in command(pid)), None)


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if census.state(pid) not in ("", "Z")]


def mounts(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]


def groups(home: Path) -> list[str]:
    """Control groups of this home, in whatever hierarchy: see runtime/limits.py for the name."""
    name = "dockyard-" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    # Those of other homes may go while we look, and `os.walk` passes over what is gone.
    return [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if name in Path(folder).name]


def stop_both(daemon: int, parent: int) -> None:
    """Neither can clean up after the other."""
    os.kill(daemon, signal.SIGSTOP)
    os.kill(parent, signal.SIGKILL)
    os.kill(daemon, signal.SIGKILL)


ENDS: dict[str, Callable[[int, int], None]] = {
    "the daemon is killed": lambda daemon, parent: os.kill(daemon, signal.SIGKILL),
    "both are killed at once": stop_both,
    "the daemon is asked to end": lambda daemon, parent: os.kill(daemon, signal.SIGTERM),
}


@pytest.mark.parametrize("end", ENDS)
def test_end_of_the_engine_leaves_nothing_and_the_next_works(end: str, tmp_path: Path) -> None:
    with engine(tmp_path) as (served, client):
        for _ in range(3):
            client.containers.run("busybox", SCRIPT, detach=True, mem_limit="64m", nano_cpus=500_000_000)
        pids = family(served.pid)
        assert len(pids) >= 3 + 3 * 4
        ENDS[end](served.pid, runtime_parent(served.pid))
        served.wait()
        if end != "both are killed at once" or os.environ.get("DOCKYARD_TEST_DRIVER") in (None, "namespaces"):
            eventually(lambda: not alive(pids), f"no process is left when {end}")
        served.start()
        eventually(lambda: not alive(pids), "no process is left when the next engine has started")
        assert mounts(tmp_path) == []
        listed = client.containers.list(all=True)
        assert [one.status for one in listed] == ["exited"] * 3
        for one in listed:
            one.start()
        code, said = listed[0].exec_run("echo works")
        assert (code, said) == (0, b"works\n")
        for one in listed:
            one.remove(force=True)
        served.stop()
        assert groups(tmp_path) == []


def test_death_of_the_parent_ends_containers_and_is_told(tmp_path: Path) -> None:
    with engine(tmp_path) as (served, client):
        container = client.containers.run("busybox", SCRIPT, detach=True)
        pids = family(served.pid)
        parent = runtime_parent(served.pid)
        os.kill(parent, signal.SIGKILL)
        assert container.wait(timeout=30)["StatusCode"] == 137
        eventually(lambda: alive(pids) == [served.pid], "only the daemon is left")


def test_death_of_the_networks_worker_is_not_noticed(tmp_path: Path) -> None:
    with engine(tmp_path) as (served, client):
        container = client.containers.run("busybox", SCRIPT, detach=True)
        parent = runtime_parent(served.pid)
        worker = worker_of(parent)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker_of(parent) not in (None, worker), "there is another worker")
        code, said = container.exec_run("wget -T 5 -O- http://127.0.0.1:9/")
        assert code != 0
        assert b"refused" in said
        container.remove(force=True)


def test_container_ends_with_all_of_its_processes(tmp_path: Path) -> None:
    with engine(tmp_path) as (served, client):
        before = family(served.pid)
        container = client.containers.run("busybox", SCRIPT, detach=True)
        eventually(lambda: len(family(served.pid)) >= len(before) + 5, "its processes are there")
        container.kill()
        container.wait(timeout=30)
        eventually(lambda: family(served.pid) == before, "its processes are gone")


def test_many_starts_leave_no_descriptor_and_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures for a thousand are in docs/benchmarks.md."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with engine(tmp_path) as (served, client):

        def batch(size: int) -> None:
            for _ in range(size):
                client.containers.run("busybox", "true", remove=True, mem_limit="64m")

        def descriptors() -> list[int]:
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in family(served.pid)]

        def memory() -> int:
            return census.memory(family(served.pid))

        batch(20)
        before, used = descriptors(), memory()
        # Without overlays each container is a copy of its image, and takes its time.
        rounds = ROUNDS if client.info()["Driver"] in ("overlay2", "namespaces") else ROUNDS // 5
        batch(rounds)
        eventually(
            lambda: (
                len(now := descriptors()) == len(before)
                and all(one <= then + 5 for one, then in zip(now, before, strict=True))
            ),
            f"about {before} open files, as before",
        )
        assert memory() - used < 4_000_000
        assert mounts(tmp_path) == []
        assert list((tmp_path / "containers").iterdir()) == []
        assert list(temporary.iterdir()) == []
