"""Containers as their callers see them, under every driver that works here."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from dockyard.runtime.census import table
from dockyard.runtime.errors import NotRunning, StartError
from dockyard.runtime.spec import Limits, Mount
from tests.deadline import eventually
from tests.runtime.box import Box


def only_with_namespaces(box: Box) -> None:
    if box.driver != "namespaces":
        pytest.skip(f"{box.driver} says that it loses this: {'; '.join(box.runtime.driver.traits.loses)}")


def only_with_a_root(box: Box) -> None:
    if box.driver == "none":
        pytest.skip("without a root file system there are no absolute paths")


@pytest.mark.parametrize("code", [0, 1, 7, 127, 255])
async def test_exit_code_is_the_programs_own(box: Box, code: int) -> None:
    ran = await box.run("/bin/sh", "-c", f"exit {code}")
    status = await ran.wait()
    assert (status.code, status.signal, status.oom_killed) == (code, None, False)
    assert ran.process.status == status


async def test_killed_program_has_128_and_the_signal(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", "echo up; sleep 1000; echo not reached")
    await ran.until(lambda: "up" in ran.output)
    ran.process.signal(signal.SIGKILL)
    status = await ran.wait()
    assert (status.code, status.signal) == (137, signal.SIGKILL)
    assert ran.output == "up\n"


async def test_child_that_kills_itself_has_its_signal(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", "sh -c 'kill -SEGV $$'; exit $?")
    assert (await ran.wait()).code == 139


async def test_signal_reaches_the_program_and_not_a_wrapper(box: Box) -> None:
    ran = await box.run(
        "/bin/sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.02; done"
    )
    await ran.until(lambda: "up" in ran.output)
    ran.process.signal(signal.SIGTERM)
    assert (await ran.wait()).code == 5
    assert ran.output == "up\nbye\n"


async def test_output_and_errors_are_apart_and_whole(box: Box) -> None:
    ran = await box.run(
        "/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; echo no >&2"
    )
    await ran.wait()
    assert ran.output.splitlines() == [f"line {i}" for i in range(1, 20001)]
    assert ran.errors == "no\n"
    assert sorted(ran.ended) == [1, 2]


async def test_input_reaches_the_program_until_it_is_closed(box: Box) -> None:
    ran = await box.run("cat", stdin=True)
    payload = bytes(range(32, 127)) * 8000
    for start in range(0, len(payload), 50_000):
        ran.process.write_stdin(payload[start : start + 50_000])
        await ran.process.drain_stdin()
    ran.process.close_stdin()
    assert (await ran.wait()).code == 0
    assert bytes(ran.written[1]) == payload


async def test_without_input_the_program_reads_its_end(box: Box) -> None:
    ran = await box.run("cat")
    assert (await ran.wait()).code == 0


async def test_terminal_is_one(box: Box) -> None:
    ran = await box.run(
        "/bin/sh",
        "-c",
        "tty && stty size && read line && echo got $line && stty size",
        tty=True,
        size=(30, 100),
    )
    await ran.until(lambda: "30 100" in ran.output)
    ran.process.resize(50, 132)
    ran.process.write_stdin(b"hello\n")
    assert (await ran.wait()).code == 0
    assert "got hello" in ran.output
    assert "50 132" in ran.output
    assert "/dev/pts/" in ran.output


async def test_control_c_interrupts_what_runs_on_a_terminal(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", "trap 'exit 3' INT; echo up; while :; do sleep 0.02; done", tty=True)
    await ran.until(lambda: "up" in ran.output)
    ran.process.write_stdin(b"\x03")
    assert (await ran.wait()).code == 3


async def test_container_sees_its_own_files(box: Box) -> None:
    only_with_a_root(box)
    ran = await box.run("cat", "/data/greeting")
    await ran.wait()
    assert ran.output == "hello from the layer\n"


async def test_container_does_not_see_the_hosts_files(box: Box) -> None:
    only_with_a_root(box)
    (box.folder / "secret").write_text("of the host")
    ran = await box.run("cat", str(box.folder / "secret"))
    assert (await ran.wait()).code == 1


async def test_writes_leave_the_layers_alone(box: Box) -> None:
    ran = await box.run(
        "/bin/sh", "-c", "cd ${DOCKYARD_ROOT:-/}; rm data/greeting && echo new > data/new && ls data"
    )
    await ran.wait()
    assert ran.output == "new\n"
    assert [path.name for path in (box.layer / "data").iterdir()] == ["greeting"]


async def test_container_is_started_again_on_what_it_wrote(box: Box) -> None:
    rootfs = box.rootfs()
    first = await box.run(
        "/bin/sh", "-c", "echo kept > ${DOCKYARD_ROOT}/data/kept", id="again", rootfs=rootfs
    )
    await first.wait()
    second = await box.run("/bin/sh", "-c", "cat ${DOCKYARD_ROOT}/data/kept", id="again", rootfs=rootfs)
    await second.wait()
    assert second.output == "kept\n"


async def test_program_is_pid_1_with_a_host_name(box: Box) -> None:
    only_with_namespaces(box)
    ran = await box.run("/bin/sh", "-c", "echo $$; hostname; cat /etc/hostname")
    await ran.wait()
    assert ran.output == "1\nbox\nbox\n"


async def test_pid_1_without_a_handler_ignores_sigterm(box: Box) -> None:
    only_with_namespaces(box)
    ran = await box.run("/bin/sh", "-c", "echo up; while :; do sleep 0.02; echo on; done")
    await ran.until(lambda: "up" in ran.output)
    ran.process.signal(signal.SIGTERM)
    seen = len(ran.output)
    await ran.until(lambda: len(ran.output) > seen + 30)
    assert ran.process.status is None
    ran.process.signal(signal.SIGKILL)
    assert (await ran.wait()).code == 137


async def test_etc_hosts_has_the_containers_entries(box: Box) -> None:
    only_with_a_root(box)
    ran = await box.run("cat", "/etc/hosts", hosts=(("127.1.2.3", "database"),))
    await ran.wait()
    assert "127.0.0.1\tlocalhost\n" in ran.output
    assert ran.output.endswith("127.1.2.3\tdatabase\n")


async def test_dev_and_proc_are_there(box: Box) -> None:
    only_with_namespaces(box)
    ran = await box.run(
        "/bin/sh",
        "-c",
        "ls /dev /dev/shm > /dev/null && echo x > /dev/shm/x && cat /proc/self/comm && echo gone > /dev/null",
    )
    assert (await ran.wait()).code == 0, ran.errors
    assert ran.output == "cat\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "uid=0(root) gid=0(root)"),
        ("app", "uid=1000(app) gid=1000(app)"),
        ("1000", "uid=1000(app) gid=1000(app)"),
        ("4321:2000", "uid=4321 gid=2000(docs)"),
        ("app:docs", "uid=1000(app) gid=2000(docs)"),
    ],
)
async def test_user_is_the_one_asked_for(box: Box, user: str, expected: str) -> None:
    only_with_a_root(box)
    ran = await box.run("id", user=user)
    await ran.wait()
    assert ran.output.startswith(expected)


async def test_home_is_the_users(box: Box) -> None:
    only_with_a_root(box)
    ran = await box.run("/bin/sh", "-c", "echo $HOME", user="app")
    await ran.wait()
    assert ran.output == "/home/app\n"


async def test_capabilities_are_dockers_and_can_be_dropped(box: Box) -> None:
    only_with_namespaces(box)
    script = "while read name value; do case $name in CapEff:) echo $value;; esac; done < /proc/self/status"
    usual = await box.run("/bin/sh", "-c", script)
    none = await box.run("/bin/sh", "-c", script, cap_drop=("ALL",))
    some = await box.run("/bin/sh", "-c", script, cap_drop=("all",), cap_add=("CAP_NET_BIND_SERVICE",))
    for ran, expected in ((usual, 0xA80425FB), (none, 0), (some, 1 << 10)):
        await ran.wait()
        assert int(ran.output, 16) == expected


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("nope",), 127, 'exec: "nope": executable file not found in $PATH'),
        (("/bin/nope",), 127, 'exec: "/bin/nope": stat /bin/nope: no such file or directory'),
        (("/etc/passwd",), 126, 'exec: "/etc/passwd": permission denied'),
    ],
)
async def test_program_that_cannot_start_says_why(
    box: Box, argv: tuple[str, ...], code: int, message: str
) -> None:
    with pytest.raises(StartError) as caught:
        await box.run(*argv)
    assert (caught.value.code, caught.value.message) == (code, message)


async def test_working_directory_that_is_not_there_is_an_error(box: Box) -> None:
    with pytest.raises(StartError, match=r'chdir to cwd \("/nowhere"\) .*no such file or directory'):
        await box.run("ls", cwd="/nowhere")


async def test_unknown_user_is_an_error(box: Box) -> None:
    with pytest.raises(StartError, match="unable to find user ghost: no matching entries in passwd file"):
        await box.run("id", user="ghost")


async def test_failed_start_leaves_the_name_free(box: Box) -> None:
    with pytest.raises(StartError):
        await box.run("nope", id="again")
    ran = await box.run("/bin/sh", "-c", "exit 0", id="again")
    assert (await ran.wait()).code == 0


async def test_bind_mount_is_the_hosts_folder(box: Box, tmp_path: Path) -> None:
    only_with_a_root(box)
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "in").write_text("from outside\n")
    ran = await box.run(
        "/bin/sh",
        "-c",
        "cat /var/lib/x/in; echo inside > /var/lib/x/out",
        mounts=(Mount("/var/lib/x", volume),),
    )
    assert (await ran.wait()).code == 0, ran.errors
    assert ran.output == "from outside\n"
    assert (volume / "out").read_text() == "inside\n"


async def test_read_only_mounts_and_roots_refuse_writes(box: Box, tmp_path: Path) -> None:
    only_with_namespaces(box)
    volume = tmp_path / "volume"
    volume.mkdir()
    script = "touch /volume/x; touch /x; echo fine > /scratch/x && cat /scratch/x"
    mounts = (Mount("/volume", volume, read_only=True), Mount("/scratch", size=1 << 20))
    ran = await box.run("/bin/sh", "-c", script, mounts=mounts, read_only=True)
    await ran.wait()
    assert ran.output == "fine\n"
    assert ran.errors.count("Read-only file system") == 2


async def test_tmpfs_has_its_size(box: Box) -> None:
    only_with_namespaces(box)
    script = "cat /dev/zero > /scratch/x"
    ran = await box.run("/bin/sh", "-c", script, mounts=(Mount("/scratch", size=1 << 16),))
    await ran.wait()
    assert "No space left on device" in ran.errors


async def test_exec_runs_beside_the_first_process(box: Box) -> None:
    await box.run("/bin/sh", "-c", "sleep 1000", id="web", env={"COLOUR": "green"}, cwd="/data")
    ran = await box.exec(
        "web", "/bin/sh", "-c", "echo $COLOUR $SIZE; ls; exit 4", env={"SIZE": "small"}, cwd=""
    )
    assert (await ran.wait()).code == 4
    assert ran.output == "green small\ngreeting\n"


async def test_exec_sees_the_containers_processes_and_files(box: Box) -> None:
    only_with_namespaces(box)
    await box.run("/bin/sh", "-c", "echo made > /made; while :; do sleep 1; done", id="web")
    ran = await box.exec(
        "web", "/bin/sh", "-c", "hostname; cat /proc/1/comm; until cat /made; do sleep 0.01; done"
    )
    await ran.wait()
    assert ran.output == "box\nsh\nmade\n"


async def test_exec_on_a_terminal(box: Box) -> None:
    await box.run("/bin/sh", "-c", "sleep 1000", id="web")
    ran = await box.exec("web", "/bin/sh", tty=True, size=(40, 90))
    ran.process.write_stdin(b"stty size; exit 6\n")
    assert (await ran.wait()).code == 6
    assert "40 90" in ran.output


async def test_exec_as_another_program_that_is_not_there(box: Box) -> None:
    await box.run("/bin/sh", "-c", "sleep 1000", id="web")
    with pytest.raises(StartError) as caught:
        await box.exec("web", "nope")
    assert caught.value.code == 127


async def test_exec_needs_a_running_container(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", "exit 0", id="web")
    await ran.wait()
    with pytest.raises(NotRunning):
        await box.exec("web", "ls")


async def test_exec_ends_with_its_container(box: Box) -> None:
    first = await box.run("/bin/sh", "-c", "read line", id="web", stdin=True)
    ran = await box.exec("web", "/bin/sh", "-c", "echo up; sleep 1000")
    await ran.until(lambda: "up" in ran.output)
    first.process.close_stdin()
    await first.wait()
    assert (await ran.wait()).code == 137


async def test_what_exec_left_in_the_background_lives_on(box: Box) -> None:
    if box.driver == "proot":
        pytest.skip("proot ends what an exec leaves behind, and says so")
    web = await box.run(
        "/bin/sh", "-c", "cd ${DOCKYARD_ROOT}/data; until [ -e done ]; do sleep 0.02; done", id="web"
    )
    background = "echo tick; sleep 0.05; echo tick; sleep 0.05; echo tick > ${DOCKYARD_ROOT}/data/done"
    ran = await box.exec("web", "/bin/sh", "-c", f"({background}) & exit 0")
    assert (await ran.wait()).code == 0
    assert (await web.wait()).code == 0


async def test_every_process_of_a_container_stops_and_goes_on(box: Box) -> None:
    script = "(while :; do echo child; sleep 0.01; done) & while :; do echo parent; sleep 0.01; done"
    ran = await box.run("/bin/sh", "-c", script, id="web")
    await ran.until(lambda: "child" in ran.output and "parent" in ran.output)
    box.runtime.signal_all("web", signal.SIGSTOP)
    pids = await box.runtime.pids("web")  # answered after the order before it was obeyed
    assert len(pids) >= 2
    if box.driver == "proot":  # it is the tracer that stands still, and its programs wait for it
        pids = [table()[pids[0]].parent]
    # D: a shell that has forked by vfork() waits so for a child that was stopped before its execve().
    await asyncio.to_thread(
        eventually, lambda: {table()[pid].state for pid in pids} <= {"T", "D"}, "all stand still"
    )
    before = ran.output.count("child")
    box.runtime.signal_all("web", signal.SIGCONT)
    await ran.until(lambda: ran.output.count("child") > before + 20)


async def test_memory_beyond_the_limit_kills_with_137(box: Box) -> None:
    ran = await box.run(
        "/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done", limits=Limits(memory=48 << 20)
    )
    status = await ran.wait()
    assert (status.code, status.oom_killed) == (137, True)


async def test_memory_below_the_limit_is_no_reason(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", "exit 9", limits=Limits(memory=48 << 20))
    status = await ran.wait()
    assert (status.code, status.oom_killed) == (9, False)


async def test_two_containers_of_one_name_are_refused(box: Box) -> None:
    await box.run("/bin/sh", "-c", "sleep 1000", id="web")
    with pytest.raises(Exception, match="running already"):
        await box.run("/bin/sh", "-c", "sleep 1000", id="web")


async def test_remove_kills_the_container(box: Box) -> None:
    ran = await box.run("/bin/sh", "-c", "sleep 1000", id="web")
    await asyncio.wait_for(box.runtime.remove("web"), 30)
    assert ran.process.status is not None
    assert ran.process.status.code == 137
