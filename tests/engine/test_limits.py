"""Limits and privileges of containers: the same on every engine, or skipped where it says that it can't."""

from __future__ import annotations

import json
import time
from contextlib import closing

import docker
import pytest
from docker.errors import APIError
from docker.types import Mount, Ulimit

from tests.deadline import eventually
from tests.engine.conftest import Run, needs

MEGABYTE = 1 << 20
PYTHON = "python:3.12-slim"
DEFAULT_CAPABILITIES = 0x00000000A80425FB  # what Docker leaves to a container


def output(container: docker.models.containers.Container) -> str:
    container.wait(timeout=60)
    return str(container.logs().decode())


def status(text: str, name: str) -> str:
    """A field of /proc/self/status."""
    return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith(f"{name}:"))


def python(code: str) -> list[str]:
    return ["python3", "-c", code]


# Memory.


def held(code: str) -> str:
    """A program that keeps its memory until it is killed: an emulated limit looks only now and then."""
    return f"{code}\nimport signal\nsignal.pause()"


def test_too_much_memory_is_killed_and_told(client: docker.DockerClient, run: Run, name: str) -> None:
    eats = "b = []\nwhile True: b.append(bytearray(4 << 20))"
    container = run(python(eats), image=PYTHON, mem_limit="64m", name=name)
    assert container.wait(timeout=60)["StatusCode"] == 137
    container.reload()
    assert container.attrs["State"]["OOMKilled"] is True
    assert container.attrs["State"]["ExitCode"] == 137


def test_death_of_a_child_for_memory_is_told_too(run: Run) -> None:
    code = (
        "import subprocess\n"
        "eats = 'b = []\\nwhile True: b.append(bytearray(4 << 20))'\n"
        "print(subprocess.run(['python3', '-c', eats]).returncode)"
    )
    container = run(python(code), image=PYTHON, mem_limit="64m")
    assert output(container) == "-9\n"
    container.reload()
    assert container.attrs["State"]["OOMKilled"] is True
    assert container.attrs["State"]["ExitCode"] == 0


def test_memory_below_the_limit_is_left_alone(run: Run) -> None:
    container = run(python("b = bytearray(20 << 20); print(len(b))"), image=PYTHON, mem_limit="64m")
    assert output(container) == f"{20 * MEGABYTE}\n"
    container.reload()
    assert container.attrs["State"]["OOMKilled"] is False


def test_reservation_alone_never_kills(run: Run) -> None:
    container = run(python("b = bytearray(40 << 20); print(len(b))"), image=PYTHON, mem_reservation="16m")
    assert output(container) == f"{40 * MEGABYTE}\n"


def test_running_out_of_memory_is_an_event(client: docker.DockerClient, run: Run) -> None:
    since = int(time.time()) - 1
    container = run(python(held("b = bytearray(200 << 20)")), image=PYTHON, mem_limit="48m")
    container.wait(timeout=60)

    def told() -> bool:
        filters = {"container": container.id, "event": "oom"}
        return bool(list(client.events(since=since, until=time.time(), filters=filters, decode=True)))

    eventually(told, "the event is told")


def test_limit_of_memory_can_be_changed_while_it_runs(run: Run) -> None:
    code = held("import sys\nsys.stdin.read(1)\nb = bytearray(100 << 20)")
    container = run(python(code), image=PYTHON, mem_limit="400m", stdin_open=True)
    container.update(mem_limit="48m", memswap_limit="96m")
    socket = container.attach_socket(params={"stdin": 1, "stream": 1})
    with closing(socket), closing(socket._sock) as connection:
        connection.sendall(b"x")
        assert container.wait(timeout=60)["StatusCode"] == 137
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 48 * MEGABYTE


# CPU.

BURN = """
import time
end = time.monotonic() + 1.5
while time.monotonic() < end: pass
print(time.process_time())
"""


def test_cpu_limit_holds_a_busy_program_back(run: Run) -> None:
    used = float(output(run(python(BURN), image=PYTHON, nano_cpus=200_000_000)))
    assert used < 0.9  # a fifth of 1.5 s, and what a rough emulation lets slip


def test_quota_and_period_are_a_limit_too(run: Run) -> None:
    used = float(output(run(python(BURN), image=PYTHON, cpu_period=50_000, cpu_quota=10_000)))
    assert used < 0.9


def test_stats_count_the_periods_in_which_a_container_had_to_wait(run: Run) -> None:
    container = run(python("while True: pass"), image=PYTHON, nano_cpus=200_000_000, mem_limit="64m")

    def throttled() -> bool:
        sample = container.stats(stream=False)
        told = sample["cpu_stats"]["throttling_data"]
        assert told["throttled_periods"] <= told["periods"]
        assert sample["memory_stats"]["limit"] == 64 * MEGABYTE
        return (
            told["throttled_periods"] > 2
            and told["throttled_time"] > 0
            and sample["cpu_stats"]["cpu_usage"]["total_usage"] > 0
            and sample["memory_stats"]["usage"] > MEGABYTE
            and sample["pids_stats"]["current"] >= 1
        )

    eventually(throttled, "the container has had to wait")


def test_what_is_held_back_can_be_paused_and_stopped(run: Run) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do :; done"
    container = run(["sh", "-c", script], nano_cpus=100_000_000)
    eventually(lambda: container.logs() == b"ready\n", "it is ready")

    def paused() -> bool:
        try:
            container.pause()
        except APIError as error:
            if "unable to freeze" in str(error):  # a busy kernel didn't stop it in time
                return False
            raise
        container.reload()
        return bool(container.status == "paused")

    eventually(paused, "it stands still")
    container.unpause()
    container.stop(timeout=30)
    assert container.wait(timeout=30)["StatusCode"] == 3


# Processes and resource limits.


def test_more_processes_than_allowed_cannot_be_forked(client: docker.DockerClient, run: Run) -> None:
    needs(client, "pids limits")
    code = (
        "import os, sys\n"
        "for number in range(20):\n"
        "    try:\n"
        "        if os.fork() == 0: os.read(0, 1); os._exit(0)\n"
        "    except BlockingIOError as error:\n"
        "        print(number, error.errno, flush=True); os._exit(0)\n"
    )
    container = run(python(code), image=PYTHON, pids_limit=6, stdin_open=True)
    assert output(container) == "5 11\n"


def test_ulimits_are_set(run: Run) -> None:
    container = run(
        ["sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c"],
        ulimits=[Ulimit(name="nofile", soft=100, hard=200), Ulimit(name="core", soft=0, hard=0)],
    )
    assert output(container) == "100\n200\n0\n"


# File systems.


def test_read_only_root_leaves_tmpfs_and_volumes_writable(
    client: docker.DockerClient, run: Run, name: str
) -> None:
    needs(client, "read-only")
    volume = client.volumes.create(name)
    try:
        script = "touch /x; touch /tmp/x && touch /data/x && echo written"
        container = run(
            ["sh", "-c", script],
            read_only=True,
            tmpfs={"/tmp": "size=1m"},
            mounts=[Mount("/data", name, type="volume")],
        )
        said = output(container)
        assert "Read-only file system" in said
        assert "written\n" in said
        container.remove()
    finally:
        volume.remove()


def test_exec_of_root_cannot_write_to_a_read_only_root_either(client: docker.DockerClient, run: Run) -> None:
    needs(client, "read-only")
    container = run(["sleep", "60"], read_only=True)
    code, said = container.exec_run(["touch", "/x"], user="root")
    assert code == 1
    assert b"Read-only file system" in said


def test_tmpfs_has_the_size_and_the_mode_that_were_asked_for(client: docker.DockerClient, run: Run) -> None:
    needs(client, "tmpfs")
    container = run(
        ["sh", "-c", "grep ' /t ' /proc/mounts; ls -ld /t; dd if=/dev/zero of=/t/x bs=1M count=2 2>&1"],
        tmpfs={"/t": "size=1m,mode=700"},
    )
    said = output(container)
    for option in ("size=1024k", "noexec", "nosuid", "nodev"):
        assert option in said
    assert "drwx------" in said
    assert "No space left on device" in said


def test_shared_memory_has_the_size_that_was_asked_for(client: docker.DockerClient, run: Run) -> None:
    needs(client, "tmpfs")
    assert "size=32768k" in output(run(["grep", " /dev/shm ", "/proc/mounts"], shm_size="32m"))


# Privileges.

STATUS = ["cat", "/proc/self/status"]


def test_capabilities_are_dockers_unless_changed(client: docker.DockerClient, run: Run) -> None:
    needs(client, "capabilities")
    assert int(status(output(run(STATUS)), "CapEff"), 16) == DEFAULT_CAPABILITIES
    none = output(run(STATUS, cap_drop=["ALL"]))
    assert [int(status(none, name), 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [0, 0, 0]
    one = output(run(STATUS, cap_drop=["ALL"], cap_add=["NET_BIND_SERVICE"]))
    assert int(status(one, "CapEff"), 16) == 1 << 10


def test_user_other_than_root_has_no_capabilities(client: docker.DockerClient, run: Run) -> None:
    needs(client, "capabilities")
    said = output(run(STATUS, user="1000"))
    assert int(status(said, "CapEff"), 16) == 0
    assert int(status(said, "CapBnd"), 16) == DEFAULT_CAPABILITIES


def test_dropped_capability_is_missed(client: docker.DockerClient, run: Run) -> None:
    needs(client, "capabilities")
    script = "mkdir /d && chmod 000 /d && touch /d/x && echo may || echo may not"
    assert "may\n" in output(run(["sh", "-c", script]))
    assert "may not\n" in output(run(["sh", "-c", script], cap_drop=["DAC_OVERRIDE"]))


def test_privileged_container_has_all_capabilities(client: docker.DockerClient, run: Run) -> None:
    needs(client, "capabilities")
    effective = int(status(output(run(STATUS, privileged=True)), "CapEff"), 16)
    # SYS_ADMIN and CHECKPOINT_RESTORE, which is the last one that this kernel and we know.
    assert effective & 1 << 21
    assert effective & 1 << 40


def test_privileged_command_in_a_container_has_all_capabilities(
    client: docker.DockerClient, run: Run
) -> None:
    needs(client, "capabilities")
    container = run(["sleep", "60"], cap_drop=["ALL"])
    plain = container.exec_run(STATUS)[1].decode()
    assert int(status(plain, "CapEff"), 16) == 0
    privileged = container.exec_run(STATUS, privileged=True)[1].decode()
    assert int(status(privileged, "CapEff"), 16) & 1 << 21


def test_new_privileges_can_be_forbidden(client: docker.DockerClient, run: Run) -> None:
    needs(client, "capabilities")
    assert status(output(run(STATUS)), "NoNewPrivs") == "0"
    assert status(output(run(STATUS, security_opt=["no-new-privileges"])), "NoNewPrivs") == "1"


# The first process.


def test_init_stands_before_the_program_and_passes_its_exit_code_on(
    client: docker.DockerClient, run: Run
) -> None:
    needs(client, "PID 1")
    container = run(["sh", "-c", "cat /proc/1/comm; echo; exit 7"], init=True)
    assert container.wait(timeout=30)["StatusCode"] == 7
    assert container.logs().decode().startswith("docker-init")


def test_init_forwards_signals_to_a_program_without_handlers(client: docker.DockerClient, run: Run) -> None:
    needs(client, "PID 1")
    container = run(["sh", "-c", "echo ready; sleep 60; true"], init=True)
    eventually(lambda: container.logs() == b"ready\n", "it is ready")
    container.stop(timeout=30)
    assert container.wait(timeout=30)["StatusCode"] == 143


def test_init_reaps_orphans(client: docker.DockerClient, run: Run) -> None:
    needs(client, "PID 1")
    orphan = "(sh -c 'sleep 0 & exec sleep 0' &) ; sleep 60"
    container = run(["sh", "-c", orphan], init=True)

    def reaped() -> bool:
        _, said = container.exec_run(["sh", "-c", "cat /proc/[0-9]*/stat"])
        states = [line.rpartition(")")[2].split()[0] for line in said.decode().splitlines() if ")" in line]
        return "Z" not in states and len(states) >= 2

    eventually(reaped, "the orphan is reaped")


# The rest.


def test_kernel_settings_of_its_own_can_be_changed(client: docker.DockerClient, run: Run) -> None:
    needs(client, "PID 1")
    said = output(run(["cat", "/proc/sys/kernel/shmmax"], sysctls={"kernel.shmmax": "123456789"}))
    assert said == "123456789\n"


def test_score_for_the_kernels_choice_of_victims_is_set(run: Run) -> None:
    assert output(run(["cat", "/proc/self/oom_score_adj"], oom_score_adj=500)) == "500\n"


def test_further_groups_are_the_programs_too(client: docker.DockerClient, run: Run) -> None:
    needs(client, "more than one user")
    needs(client, "capabilities")
    assert output(run(["id", "-G"], user="1000:1000", group_add=["2000"])).split() == ["1000", "2000"]


@pytest.mark.parametrize("option", [{"mem_limit": "1m"}, {"nano_cpus": 10**15}, {"oom_score_adj": 2000}])
def test_limits_that_make_no_sense_are_refused(
    client: docker.DockerClient, option: dict[str, object]
) -> None:
    with pytest.raises(APIError) as refused:
        client.containers.create("busybox", "true", **option)
    assert refused.value.status_code == 400


def test_container_sees_its_limits_as_files(client: docker.DockerClient, run: Run) -> None:
    """Version 1 has a folder for each controller, version 2 (and our emulation) one for all."""
    script = (
        "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes; "
        "cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.stat"
    )
    needs(client, "absolute paths")
    said = output(run(["sh", "-c", script], mem_limit="64m", nano_cpus=500_000_000)).split()
    assert said[0] == str(64 * MEGABYTE)
    assert "nr_throttled" in said


def test_info_says_what_is_limited_and_how(client: docker.DockerClient) -> None:
    info = client.info()
    assert info["MemoryLimit"] is True
    assert info["CpuCfsQuota"] is True
    assert info["CgroupVersion"] in ("1", "2")
    told = json.dumps(info.get("Warnings"))
    assert info["PidsLimit"] is not ("pids limits are not enforced" in told)
